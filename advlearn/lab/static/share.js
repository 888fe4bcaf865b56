// Settings in the address: what follows # is base64 of their JSON.

const encode = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const decode = (code) => new TextDecoder().decode(Uint8Array.from(atob(code.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0)));

export const toHash = (games) => `#g=${encode(JSON.stringify(games))}`;

/** Return the settings of an address, or null; the server checks them like any others. */
export function fromHash(hash) {
  if (!hash.startsWith("#g=")) return null;
  try {
    const games = JSON.parse(decode(hash.slice(3)));
    return Array.isArray(games) ? games : null;
  } catch {
    return null;
  }
}

/** Copy an address with the settings; only settings, no token of this server, follow the #. */
export async function copyAddress(games) {
  history.replaceState(null, "", toHash(games));
  try {
    await navigator.clipboard.writeText(location.href);
    return "the address with these settings is copied";
  } catch {
    return "the address above holds these settings";
  }
}
