// The agent's API, asked with the reader's token; the token is kept in this tab alone and is in no address.

const KEPT = "extraction-agent token";
const PATIENCE = 10_000; // ms that an answer may take

export const token = {
  get: () => sessionStorage.getItem(KEPT),
  set: (value) => sessionStorage.setItem(KEPT, value),
  forget: () => sessionStorage.removeItem(KEPT),
};

// Why there is no answer. status 0: the agent was not reached. retryAfter: s, if it has said so.
export class Trouble extends Error {
  constructor(status, detail, retryAfter = 0) {
    super(detail);
    this.status = status;
    this.retryAfter = retryAfter;
  }

  get refused() {
    return this.status === 401 || this.status === 403;
  }
}

export async function ask(path) {
  let answer;
  let body;
  try {
    answer = await fetch(path, {
      headers: { Authorization: `Bearer ${token.get()}` },
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      signal: AbortSignal.timeout(PATIENCE),
    });
    body = await answer.json();
  } catch (error) {
    const late = error.name === "TimeoutError";
    throw new Trouble(0, late ? "It did not answer within 10 s." : "It cannot be reached.");
  }
  if (answer.ok) return body;
  const detail = body.detail ?? `It answered with status ${answer.status}.`;
  throw new Trouble(answer.status, detail, Number(answer.headers.get("Retry-After")) || 0);
}
