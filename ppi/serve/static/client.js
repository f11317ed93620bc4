// Talks to the server. The token, if there is one, stays in the field of the page.

const ROOT = "/api/v1";

function headers(more) {
  const token = document.getElementById("token")?.value.trim();
  return token ? { ...more, Authorization: `Bearer ${token}` } : more;
}

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(ROOT + path, { ...options, headers: headers(options.headers) });
  } catch {
    throw new Error("The server does not answer; is it still running?");
  }
  if (answer.ok) return answer;
  const body = await answer.json().catch(() => ({}));
  throw new Error(body.error ?? `The server answers with status ${answer.status}.`);
}

export function post(path, body, accept = "application/json") {
  const sent = { "Content-Type": "application/json", Accept: accept };
  return ask(path, { method: "POST", headers: sent, body: JSON.stringify(body) });
}

export const get = (path) => ask(path);
export const cancel = (id) => ask(`/jobs/${id}`, { method: "DELETE" });

// Calls `show` with each state of a job, and returns the last one.
export async function follow(id, show) {
  const answer = await get(`/jobs/${id}/events`);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  let last = null;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    text += value;
    const events = text.split("\n\n");
    text = events.pop();
    for (const event of events) {
      last = JSON.parse(event.replace(/^data: /, ""));
      show(last);
    }
  }
  if (last === null || ["waiting", "running"].includes(last.state)) {
    throw new Error("The server stopped before the job had finished.");
  }
  return last;
}

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
