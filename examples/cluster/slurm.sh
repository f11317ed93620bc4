#!/bin/bash
# Screens on several nodes of a Slurm cluster:
#     sbatch slurm.sh antibodies.fasta antigens.fasta best.parquet --top-k 100
# The same command continues after the job has ended early. The nodes are used by this job alone, because Ray
# is started and stopped on all of them.
#SBATCH --job-name=ppi-screen
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=32
#SBATCH --mem=0
#SBATCH --exclusive
#SBATCH --time=08:00:00
#SBATCH --requeue
# The job goes on when a node fails.
#SBATCH --no-kill
set -euo pipefail

ligands=$1 receptors=$2 output=$3
shift 3

# The same environment on all nodes: pip install 'ppi-affinity[ray]'
source "${PPI_ENVIRONMENT:-$HOME/ppi}/bin/activate"
# Stores of embeddings lie on the disk of each node; LMDB files do not belong on a network file system.
export PPI_CACHE="${TMPDIR:-/tmp}/ppi-$SLURM_JOB_ID"
export RAY_USAGE_STATS_ENABLED=0
# Time for the nodes to start Ray, in seconds.
export RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=300

# This script runs on the first node. If the others do not reach its first address, name another one.
address="$(hostname -I | cut -d ' ' -f 1):$((20000 + SLURM_JOB_ID % 20000))"

# Each node starts Ray; the first one then runs the screen, and at its end Ray is stopped.
srun --no-kill ray symmetric-run --address "$address" --min-nodes "$SLURM_JOB_NUM_NODES" \
    --num-cpus "$SLURM_CPUS_PER_TASK" --include-dashboard=false -- \
    env RAY_ADDRESS="$address" \
    ppi screen "$ligands" "$receptors" --output "$output" --engine ray --device cpu --resume "$@"
