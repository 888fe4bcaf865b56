// The connection to the server: JSON messages, and packed arrays as Float32Array.

/** Unpack {shape, scale, data} into {shape, values}. */
export function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed.data), (c) => c.charCodeAt(0));
  const whole = new Int16Array(bytes.buffer);
  const values = new Float32Array(whole.length);
  for (let i = 0; i < whole.length; i++) values[i] = whole[i] * packed.scale;
  return { shape: packed.shape, values };
}

/** Replace each packed array of an object by its values; other values stay. */
export function unpackAll(object) {
  const isPacked = (v) => v && typeof v === "object" && "scale" in v && "data" in v;
  return Object.fromEntries(Object.entries(object).map(([k, v]) => [k, isPacked(v) ? unpack(v) : v]));
}

/** Connect, and call handlers[type] with each message. */
export function connect(handlers, onState) {
  const address = new URL("socket", location.href);
  address.protocol = "ws:";
  address.hash = "";
  const socket = new WebSocket(address);
  socket.onopen = () => onState("connected");
  socket.onclose = (event) => onState(`disconnected${event.reason ? `: ${event.reason}` : ""}; reload the page`);
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    handlers[message.type]?.(message);
  };
  return (message) => socket.readyState === 1 && socket.send(JSON.stringify(message));
}
