// In a notebook: messages to the kernel.
function render({ model, el }) {
  const waiting = new Map();
  let n = 0;
  const hear = (message, buffers) => {
    const promise = waiting.get(message.n);
    if (!promise) return;
    waiting.delete(message.n);
    if (message.error !== undefined) promise.reject(new Error(message.error));
    else promise.resolve({ got: message.got, buffers });
  };
  model.on("msg:custom", hear);
  const ask = (what, said = {}) =>
    new Promise((resolve, reject) => {
      n += 1;
      waiting.set(n, { resolve, reject });
      model.send({ n, ask: what, said });
    });
  const root = document.createElement("div");
  el.append(root);
  const stop = start(root, {
    keys: root,
    view: async () => (await ask("view")).got,
    item: async (id) => (await ask("item", { id })).got,
    image: async (id) => {
      const { got, buffers } = await ask("image", { id });
      return new Blob([buffers[0]], { type: got.type });
    },
    answer: async (said) => (await ask("answer", said)).got,
    undo: async () => (await ask("undo")).got,
  });
  return () => {
    model.off("msg:custom", hear);
    stop();
  };
}

export default { render };
