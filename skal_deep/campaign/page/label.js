// One annotator labels one item after another. The same script serves the page and
// the widget: they differ in how it asks (`wire`), and in where keys are heard.
//
// root.dataset.idle is "true" when an item is painted and nothing is being saved.
// Every text enters by textContent: names and texts are data, never markup.

const AHEAD = 3;
const SMALL = 128; // images of fewer pixels are shown larger, with sharp edges

function start(root, wire) {
  const make = (tag, name, text = "") => {
    const node = document.createElement(tag);
    node.className = name;
    node.textContent = text;
    return node;
  };
  const button = (name, key, text, act) => {
    const node = make("button", name);
    node.type = "button";
    if (key) {
      const sign = make("kbd", "", key);
      sign.setAttribute("aria-hidden", "true");
      node.append(sign);
    }
    node.append(make("span", "", text));
    node.addEventListener("click", act);
    return node;
  };

  // What there is to see
  root.classList.add("skal-label");
  root.textContent = "";
  const title = make("h1", "title", "Labelling");
  const about = make("span", "about");
  const count = make("span", "count");
  const bar = make("progress", "bar");
  bar.setAttribute("aria-label", "Items with an answer");
  const head = make("header", "head");
  head.append(title, about, count, bar);
  const item = make("section", "item");
  item.setAttribute("aria-label", "Item");
  const word = make("p", "word");
  word.setAttribute("role", "status");
  const alarm = make("p", "alarm");
  alarm.setAttribute("role", "alert");
  alarm.hidden = true;
  const answers = make("div", "answers");
  answers.setAttribute("role", "group");
  answers.setAttribute("aria-label", "Labels");
  const others = make("div", "others");
  const foot = make("footer", "foot");
  foot.append(word, alarm, answers, others);
  root.append(head, item, foot);

  // What is known
  let view = null;
  let done = new Set();
  let current = null; // the item on the screen
  let painted = false;
  let canBeSeen = false;
  let busy = false;
  let since = 0;
  let turn = 0; // which call of show() is the last one
  let over = false;
  let field = null; // for numbers, or to look for one of many classes
  let marked = 0; // which of the found classes Enter takes
  let moved = false;
  const loaded = new Map();

  const idle = (is) => {
    root.dataset.idle = String(is);
  };
  const say = (text, isWarning = false) => {
    word.textContent = text;
    word.classList.toggle("warning", isWarning);
  };
  const warn = (text) => say(text, true);
  const sound = (text) => {
    alarm.textContent = text;
    alarm.hidden = !text;
  };
  idle(false);

  // Items

  function load(id) {
    if (!loaded.has(id)) {
      const promise = (async () => {
        const content = await wire.item(id);
        if (!content.image) return { content };
        const url = URL.createObjectURL(await wire.image(id));
        const picture = new Image();
        picture.src = url;
        try {
          await picture.decode();
        } catch {
          URL.revokeObjectURL(url);
          throw new Error(
            "This image cannot be shown: it is broken, or of a kind that this browser does not know.",
          );
        }
        return { content, url, picture };
      })();
      promise.catch(() => loaded.delete(id)); // another try may do
      loaded.set(id, promise);
    }
    return loaded.get(id);
  }

  function forget(kept) {
    for (const [id, promise] of loaded) {
      if (kept.includes(id)) continue;
      loaded.delete(id);
      promise.then(({ url }) => url && URL.revokeObjectURL(url)).catch(() => {});
    }
  }

  const undone = (from) => {
    const { ids } = view;
    const order = [...ids.slice(from), ...ids.slice(0, from)];
    return order.filter((id) => !done.has(id));
  };
  // A frame for the change, and one for it to be on the screen.
  const paint = () =>
    new Promise((resolve) => {
      requestAnimationFrame(() => requestAnimationFrame(resolve));
    });

  async function show(id) {
    turn += 1;
    const mine = turn;
    idle(false);
    painted = canBeSeen = over = false;
    current = id;
    item.textContent = "";
    item.classList.add("waiting");
    progress();
    if (id === null) return finish();
    answers.hidden = others.hidden = false;
    const place = view.ids.indexOf(id);
    item.setAttribute("aria-label", `Item ${place + 1} of ${view.ids.length}`);
    let shown = null;
    let reason = "";
    try {
      shown = await load(id);
    } catch (error) {
      reason = error.message;
    }
    if (mine !== turn) return;
    item.textContent = "";
    item.classList.remove("waiting");
    if (shown) item.append(...parts(shown, place));
    else item.append(make("p", "broken", reason));
    item.append(make("p", "name", id));
    field?.value && (field.value = "");
    refresh();
    await paint();
    if (mine !== turn) return;
    painted = true;
    canBeSeen = Boolean(shown);
    since = performance.now();
    item.scrollTop = 0;
    if (field && matchMedia("(pointer: fine)").matches) field.focus();
    idle(true);
    const coming = undone(place).filter((one) => one !== id).slice(0, AHEAD);
    forget([id, ...coming]);
    for (const one of coming) await load(one).catch(() => {});
  }

  function parts({ content, url, picture }, place) {
    const found = [];
    if (url) {
      const image = make("img", "picture");
      image.alt = `Item ${place + 1}`;
      image.src = url;
      const isSmall = Math.max(picture.naturalWidth, picture.naturalHeight) < SMALL;
      image.classList.toggle("small", isSmall);
      found.push(image);
    } else if (content.entries) {
      const table = make("table", "entries");
      for (const [name, value] of content.entries) {
        const row = table.insertRow();
        const label = make("th", "", name);
        label.scope = "row";
        row.append(label, make("td", "", value));
      }
      found.push(table);
    } else {
      const text = make("p", "text", content.text);
      text.dir = "auto";
      found.push(text);
    }
    const notes = [];
    if (content.answer !== undefined) notes.push(`Your answer: ${spoken(content.answer)}`);
    if (content.suggested !== undefined) notes.push(`The model says: ${content.suggested}`);
    if (notes.length) found.push(make("p", "note", notes.join(" · ")));
    return found;
  }

  const spoken = (answer) =>
    ({ skip: "skipped", unsure: "not sure" })[
      view.classes.includes(answer) ? "" : answer
    ] ?? String(answer);

  function progress() {
    const n = done.size;
    count.textContent = `${n} of ${view.ids.length}`;
    bar.max = view.ids.length;
    bar.value = n;
  }

  function finish() {
    over = true;
    item.classList.remove("waiting");
    item.setAttribute("aria-label", "The end");
    const end = make("div", "end");
    const what = view.what === "round" ? `Round ${view.round} is done.` : "That was all.";
    end.append(make("h2", "", what));
    const next = view.what === "round" ? "next" : "status";
    const line = make("p", "", "All is saved. Go on in the terminal: ");
    line.append(make("code", "", `python -m skal_deep ${next} ${view.folder}`));
    end.append(line);
    if (wire.leave) end.append(button("leave", "Enter", "Close", leave));
    item.append(end);
    answers.hidden = true;
    for (const node of others.children) node.hidden = node.dataset.what !== "undo";
    paint().then(() => over && idle(true));
  }

  async function leave() {
    if (busy) return;
    idle(false);
    try {
      await wire.leave();
    } catch (error) {
      sound(`Not closed: ${error.message}`);
      idle(true);
      return;
    }
    over = false;
    current = null;
    item.textContent = "";
    item.append(make("p", "end", "The command has ended. You can close this page."));
    foot.hidden = true;
    idle(true);
  }

  // Answers

  async function answer(status, label, spokenLabel) {
    if (current === null) return;
    if (busy) return warn("Wait: the last answer is being saved. This key did nothing.");
    if (!painted) return warn("Wait: the item is not shown yet. This key did nothing.");
    if (status === "ok" && !canBeSeen) {
      return warn("This item cannot be shown, so it cannot be labelled. Press s to skip it.");
    }
    const id = current;
    busy = true;
    idle(false);
    const seconds = (performance.now() - since) / 1000;
    try {
      await wire.answer({ id, status, label, seconds });
    } catch (error) {
      sound(`Not saved: ${error.message}`);
      say("");
      idle(true);
      return;
    } finally {
      busy = false;
    }
    sound("");
    done.add(id);
    say(`Saved: ${spokenLabel}.`);
    await show(undone(view.ids.indexOf(id))[0] ?? null);
  }

  const skip = () => answer("skip", null, "skipped");
  const unsure = () => answer("unsure", null, "not sure");
  const label = (name) => answer("ok", name, name);

  async function undo() {
    if (busy) return warn("Wait: the last answer is being saved. This key did nothing.");
    busy = true;
    idle(false);
    let back;
    try {
      back = await wire.undo();
    } catch (error) {
      warn(`Nothing was taken back: ${error.message}`);
      idle(painted || over);
      return;
    } finally {
      busy = false;
    }
    sound("");
    done.delete(back.id);
    loaded.delete(back.id); // its answer is another one now
    say("Taken back. Answer it again.");
    await show(back.id);
  }

  function keep() {
    if (busy || !painted || current === null) return;
    const id = current;
    done.add(id);
    say("Kept.");
    show(undone(view.ids.indexOf(id))[0] ?? null);
  }

  function number() {
    const text = field.value.trim();
    const value = Number(text);
    if (!text || !Number.isFinite(value)) {
      return warn(`A number is needed, such as 1.5, not “${text}”.`);
    }
    return answer("ok", value, text);
  }

  // Classes

  const isMany = () => view.classes.length > 9;
  // With digits in names, digits are letters of a name.
  const hasDigits = () => isMany() && view.classes.some((name) => /\d/.test(name));

  function found() {
    if (!isMany() || view.numbers) return view.classes;
    const wanted = field.value.trim().toLowerCase();
    const begins = view.classes.filter((c) => c.toLowerCase().startsWith(wanted));
    const holds = view.classes.filter(
      (c) => c.toLowerCase().includes(wanted) && !begins.includes(c),
    );
    return [...begins, ...holds];
  }

  function refresh() {
    if (view.numbers) return;
    const names = found();
    marked = Math.min(marked, Math.max(names.length - 1, 0));
    const isMarked = isMany() && (moved || field.value.trim());
    answers.querySelectorAll("button.class").forEach((node) => node.remove());
    names.forEach((name, place) => {
      const key = place < 9 && !hasDigits() ? String(place + 1) : "";
      const node = button("class", key, name, () => label(name));
      if (key) node.setAttribute("aria-keyshortcuts", key);
      node.dataset.label = name;
      if (isMarked && place === marked) node.classList.add("marked");
      answers.append(node);
    });
    answers.querySelector(".marked")?.scrollIntoView({ block: "nearest" });
  }

  function build() {
    answers.textContent = others.textContent = "";
    field = null;
    if (view.numbers || isMany()) {
      field = make("input", "field");
      field.type = "text";
      field.autocomplete = "off";
      field.spellcheck = false;
      const what = view.numbers ? "A number, then Enter" : "Type to find a class, then Enter";
      field.setAttribute("aria-label", what);
      field.placeholder = what;
      if (view.numbers) field.inputMode = "decimal";
      field.addEventListener("input", () => {
        marked = 0;
        moved = false;
        refresh();
      });
      answers.append(field);
      if (view.numbers) answers.append(button("save", "", "Save", number));
    }
    answers.classList.toggle("many", isMany() && !view.numbers);
    const isTyping = isMany() && !view.numbers;
    const lead = isTyping ? "Esc " : "";
    const add = (what, key, text, act, shortcut = key) => {
      const node = button("other", key, text, act);
      node.dataset.what = what;
      if (!isTyping) node.setAttribute("aria-keyshortcuts", shortcut);
      others.append(node);
    };
    if (view.what !== "round") add("keep", "→", "Keep", keep, "ArrowRight");
    add("skip", `${lead}s`, "Skip", skip);
    add("unsure", `${lead}u`, "Not sure", unsure);
    add("undo", `${lead}z`, "Undo", undo);
    refresh();
  }

  // Keys

  function typed(event) {
    const { key } = event;
    if (key === "Backspace" && !field.value) return undo;
    if (view.numbers) {
      if (key === "Enter") return number;
      return { s: skip, u: unsure, z: undo }[key.toLowerCase()] ?? null;
    }
    const names = found();
    if (key === "Enter") {
      if (!moved && !field.value.trim()) {
        return () => warn("Type some letters of the class first, or choose it with the arrows.");
      }
      if (!names.length) return () => warn("No class has these letters.");
      return () => label(names[marked]);
    }
    if (key === "ArrowDown" || key === "ArrowUp") {
      return () => {
        if (moved || field.value.trim()) marked += key === "ArrowDown" ? 1 : -1;
        marked = (marked + names.length) % Math.max(names.length, 1);
        moved = true;
        refresh();
      };
    }
    if (key === "Escape") {
      return () => {
        field.value = "";
        moved = false;
        refresh();
        field.blur();
        if (wire.keys === root) root.focus();
      };
    }
    return byDigit(key);
  }

  function byDigit(key) {
    if (!/^[1-9]$/.test(key) || view.numbers || hasDigits()) return null;
    const name = found()[Number(key) - 1];
    return name === undefined ? null : () => label(name);
  }

  function pressed(event) {
    const { key } = event;
    if (over && key === "Enter" && wire.leave) return leave;
    if (key === "Backspace") return undo;
    if (key === "ArrowRight" && view.what !== "round") return keep;
    const act = { s: skip, u: unsure, z: undo }[key.toLowerCase()] ?? byDigit(key);
    if (act || !field || over || key.length > 1 || key === " ") return act;
    field.focus(); // the letter goes on into the field
    return null;
  }

  function hear(event) {
    if (wire.keys === root) event.stopPropagation(); // a notebook has keys of its own
    if (!view || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const isTyping = event.target === field && !over;
    const isOnButton = event.target instanceof HTMLButtonElement;
    if (isOnButton && (event.key === "Enter" || event.key === " ")) {
      if (event.repeat) event.preventDefault(); // a key that is held answers once
      return;
    }
    const act = isTyping ? typed(event) : pressed(event);
    if (!act) return;
    event.preventDefault();
    if (!event.repeat || event.key.startsWith("Arrow")) act();
  }

  wire.keys.addEventListener("keydown", hear);
  if (wire.keys === root) root.tabIndex = 0;

  (async () => {
    try {
      view = await wire.view();
    } catch (error) {
      sound(`Nothing can be labelled here: ${error.message}`);
      idle(true);
      return;
    }
    done = new Set(view.done);
    title.textContent = view.name;
    const what = { round: `round ${view.round}`, review: "your last answers" }[view.what];
    about.textContent = `${what ?? "disputed"} · ${view.annotator}`;
    if (wire.keys === document) document.title = `${view.name}: labelling`;
    build();
    await show(undone(0)[0] ?? null);
  })();

  return () => {
    wire.keys.removeEventListener("keydown", hear);
    forget([]);
  };
}
