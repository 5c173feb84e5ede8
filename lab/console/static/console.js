// The live state as text: a snapshot, then what changed (lab/console/events.py). Old state is marked as such.
const QUIET_MS = 4000;
const link = document.getElementById("link");
const text = document.getElementById("state");
let state = {};
let heard = 0;

function names(pointer) {
  return pointer.split("/").slice(1).map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function remove(holder, [first, ...rest]) {
  if (rest.length) remove(holder[first], rest);
  if (!rest.length || !Object.keys(holder[first]).length) delete holder[first];
}

function follow(delta) {
  for (const pointer of delta.gone ?? []) remove(state, names(pointer));
  for (const [pointer, value] of Object.entries(delta.set ?? {})) {
    const path = names(pointer);
    const last = path.pop();
    let holder = state;
    for (const name of path) holder = holder[name] ??= {};
    holder[last] = value;
  }
}

function show() {
  const stale = Date.now() - heard > QUIET_MS;
  link.textContent = stale ? "STALE: no word from the lab service; STOP still works" : "live";
  link.className = text.className = stale ? "stale" : "";
  text.textContent = JSON.stringify(state, null, 1);
}

// Ctrl+Shift+. stops everything, from every page.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey && event.shiftKey && (event.code === "Period" || event.key === ".")) {
    event.preventDefault();
    document.getElementById("stop")?.form.requestSubmit();
  }
});

if (link) {
  const events = new EventSource("/api/events");
  const on = (kind, take) =>
    events.addEventListener(kind, (event) => {
      heard = Date.now();
      take(JSON.parse(event.data));
      show();
    });
  on("snapshot", (data) => (state = data.state));
  on("delta", follow);
  on("beat", () => {});
  setInterval(show, 1000);
}
