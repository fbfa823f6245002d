// Call the worker's methods, each a promise.

// The worker starts from an address of its own (blob:): such a worker has the policy of this page, so that nothing in
// it can reach another machine. A worker from a plain address has only the policy that its server sends.
export function startWorker(address) {
  const text = `import ${JSON.stringify(new URL(address, location.href).href)};`;
  const blob = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const worker = new Worker(blob, { type: "module" });
  const waiting = new Map();
  let count = 0;
  worker.onmessage = ({ data: { id, result, error } }) => {
    const [resolve, reject] = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(result);
    else reject(new Error(error));
  };
  worker.onerror = ({ message }) => {
    for (const [, reject] of waiting.values()) reject(new Error(message || "the worker could not start"));
    waiting.clear();
  };
  return (method, argument, transfer = []) =>
    new Promise((resolve, reject) => {
      waiting.set(++count, [resolve, reject]);
      worker.postMessage({ id: count, method, argument }, transfer);
    });
}
