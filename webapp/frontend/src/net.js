/* Talking to the server: the CSRF token goes with every write, nothing leaves our own origin. */
export function csrf() {
  return document.querySelector('meta[name="csrf-token"]')?.content ?? "";
}

export async function getJson(url) {
  const answer = await fetch(url, { headers: { Accept: "application/json" }, credentials: "same-origin" });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
}

export function postJson(url, value) {
  return post(url, JSON.stringify(value), "application/json");
}

/* A file as it is, byte by byte: what it is written in, the server finds out. */
export function postFile(url, file) {
  return post(url, file, "application/octet-stream");
}

async function post(url, body, type) {
  const answer = await fetch(url, {
    method: "POST", credentials: "same-origin", body,
    headers: { Accept: "application/json", "Content-Type": type, "X-CSRFToken": csrf() },
  });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.status === 204 ? null : answer.json();
}

export function postForm(form, url, options = {}) {
  return fetch(url, {
    method: "POST", credentials: "same-origin", body: withoutFiles(form), ...options,
    headers: { Accept: "application/json", "X-CSRFToken": csrf() },
  });
}

function withoutFiles(form) {
  const data = new FormData(form);
  for (const [name, value] of [...data]) if (value instanceof File) data.delete(name);
  return new URLSearchParams(data);
}

/* Polls with If-None-Match while the page is seen; `take(response)` gets each new answer. */
export function poll(url, seconds, take) {
  let etag = null;
  let stopped = false;
  async function beat() {
    if (document.hidden) return;
    const headers = { "X-Live": "1", ...(etag ? { "If-None-Match": etag } : {}) };
    const answer = await fetch(typeof url === "function" ? url() : url, { headers, credentials: "same-origin" });
    if (answer.status === 401 || answer.status === 403 || answer.redirected) stopped = true;
    else if (answer.ok && answer.status !== 304) {
      etag = answer.headers.get("ETag");
      await take(answer);
    }
  }
  async function loop() {
    try { await beat(); } catch { /* no connection now: the next beat tries again */ }
    if (!stopped && seconds > 0) setTimeout(loop, seconds * 1000);
  }
  return loop();
}
