// In a browser: requests to the command that serves the page.
const KEY = "skal-deep-token";
if (location.hash.length > 1) {
  sessionStorage.setItem(KEY, location.hash.slice(1));
  history.replaceState(null, "", location.pathname); // out of the address bar
}
const token = sessionStorage.getItem(KEY) ?? "";

async function request(path, said) {
  let response;
  try {
    response = await fetch(path, {
      method: said ? "POST" : "GET",
      headers: said
        ? { "X-Token": token, "Content-Type": "application/json" }
        : { "X-Token": token },
      body: said && JSON.stringify(said),
      cache: "no-store",
    });
  } catch {
    throw new Error(
      "The labelling command does not answer. What was saved is safe: start the " +
        "command again, and open the address that it prints.",
    );
  }
  if (response.ok) return response;
  const refusal = await response.json().catch(() => ({}));
  throw new Error(refusal.error ?? `The labelling command says ${response.status}.`);
}

const byId = (path, id) => request(`${path}?${new URLSearchParams({ id })}`);

start(document.getElementById("label"), {
  keys: document,
  view: async () => (await request("/view")).json(),
  item: async (id) => (await byId("/item", id)).json(),
  image: async (id) => (await byId("/image", id)).blob(),
  answer: async (said) => (await request("/answer", said)).json(),
  undo: async () => (await request("/undo", {})).json(),
  leave: async () => (await request("/leave", {})).json(),
});
