"""What requests hold and answers give: the source of the OpenAPI description."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from data_curation.records import HIGHEST_KELVIN, LOWEST_KELVIN
from ppi.io.predictions import STANDARD_TEMPERATURE

Format = Literal["fasta", "csv"]
#: Written here once more, because what has them imports much; a test compares them.
Acquisition = Literal["expected-improvement", "upper-bound", "thompson"]
Liability = Literal[
    "glycosylation",
    "cysteine",
    "deamidation",
    "weak-deamidation",
    "isomerisation",
    "weak-isomerisation",
    "oxidation",
]


def _characters(text: str) -> str:
    """Refuse halves of characters, which JSON can hold and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"character {error.start + 1} is half of a surrogate pair; send UTF-8 text"
        ) from error
    return text


Text = Annotated[str, AfterValidator(_characters)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Record(_Strict):
    """A complex; the chains of a side are a list, or one text with ``:`` between them."""

    id: Text | None = Field(None, examples=["mine"])
    ligand: Text | list[Text] = Field(examples=["EVQLVESGG:DIQMTQSPS"])
    receptor: Text | list[Text] = Field(examples=["KVFGRCELA"])
    temperature_kelvin: float | None = None


class ComplexesRequest(_Strict):
    """Complexes: either records, or the text of a FASTA file or a table."""

    complexes: list[Record] | None = None
    text: Text | None = Field(None, description="FASTA, or a table with columns id, ligand and receptor")
    format: Format | None = Field(None, description="of the text; found out where it is not given")

    @model_validator(mode="after")
    def _one_source(self) -> ComplexesRequest:
        if (self.complexes is None) == (self.text is None):
            raise ValueError("give either complexes (a list of records) or text (FASTA or CSV)")
        return self


class PredictRequest(ComplexesRequest):
    """Complexes to predict."""

    temperature_kelvin: float = Field(STANDARD_TEMPERATURE, ge=LOWEST_KELVIN, le=HIGHEST_KELVIN)
    truncate: bool = Field(False, description="shorten complexes over the model's limit")


class ScanRequest(ComplexesRequest):
    """Complexes to scan, and which mutants; all single ones by default."""

    sites: list[Text] = Field([], max_length=1000, examples=[["ligand:1:95-102"]])
    mutants: list[Text] = Field([], max_length=10_000, examples=[["ligand:1:H102A"]])
    alanine: bool = False
    pairs: bool = False
    measured: bool = Field(True, description="start from measured complexes around the wild type")


class ExplainRequest(ComplexesRequest):
    """Complexes to explain."""

    orders: int = Field(16, ge=2, le=200, description="random orders that are drawn")


class SidesRequest(_Strict):
    """Sides: by name, or text: FASTA with one record a side, or a table with columns id and sequence."""

    sides: dict[Text, Text | list[Text]] | None = Field(None, examples=[{"mine": "EVQLVESGG:DIQMTQSPS"}])
    text: Text | None = None
    format: Format | None = None

    @model_validator(mode="after")
    def _one_source(self) -> SidesRequest:
        if (self.sides is None) == (self.text is None):
            raise ValueError("give either sides (an object of names and sequences) or text (FASTA or CSV)")
        return self


class ScreenRequest(_Strict):
    """Two lists of sides; each ligand meets each receptor."""

    ligands: SidesRequest
    receptors: SidesRequest
    per: Literal["ligand", "receptor"] = "receptor"
    top_k: int | None = Field(None, ge=1)
    min_pkd: float | None = Field(None, ge=-100, le=100)


class VariantsRequest(_Strict):
    """Measured variants of one complex, or of a few, to learn from."""

    measured: Text = Field(
        description="a table with ligand and receptor, or with mutant and a wild type, and one of pkd, "
        "kd_molar, Kd (nM), ddg_kcal_mol and score; perhaps censored and target",
        examples=["mutant,pkd\nligand:1:H35A,8.1\n"],
    )
    wild: Text | None = Field(None, description="the wild type, as FASTA or a table with one complex")
    value: Text | None = Field(None, description="column to learn from, where there are several")
    pool: Text | None = Field(None, description="variants to choose from: FASTA, or a table as in measured")
    seed: int = Field(0, ge=0, lt=2**32)


class AdaptRequest(VariantsRequest):
    """Measured variants to learn from, and perhaps a pool to rank."""


class SuggestRequest(VariantsRequest):
    """Measured variants to learn from, and which variants to measure next: of a pool, sites or a library."""

    sites: list[Text] = Field([], max_length=1000, examples=[["ligand:1:95-102"]])
    library: list[Text] = Field([], max_length=1000, examples=[["ligand:1:57=AKR"]])
    by: Acquisition = "expected-improvement"
    size: int = Field(24, ge=1, le=384, description="variants of the batch")
    most_mutations: int | None = Field(None, ge=1)
    avoid: list[Liability] = Field([], max_length=20)
    plate: Literal[96, 384] = 96
    controls: bool = Field(False, description="reference and best measured variant in the first wells")
    target: Text | None = Field(None, description="which complex, where there are several")


class Predictions(BaseModel):
    """One object a complex, in input order; the columns are those of `ppi predict`."""

    predictions: list[dict[str, Any]]


class Accepted(BaseModel):
    """A job that waits."""

    id: str
    kind: str
    state: str


class Progress(BaseModel):
    """How far a job is in what it does at present."""

    what: str
    done: int
    total: int


class JobAnswer(Accepted):
    """A job; `result` has `summary` and `rows` once it is done."""

    progress: Progress | None = None
    error: str | None = None
    result: dict[str, Any] | None = None


class ErrorAnswer(BaseModel):
    """Why there is no other answer."""

    error: str
