import { EasynetError } from "../kernel/index.ts";

const REASONS: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [/ECONNREFUSED/, "connection refused"],
  [/ENOTFOUND|EAI_AGAIN/, "the host name is not known"],
  [/EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|EINVAL/, "no route to the host"],
  [/dial self/i, "the address is this node's own"],
  [/Unexpected ?Peer/i, "another key answered (wrong key)"],
  [/did not end within|timeout|timed out|aborted|AbortError|ETIMEDOUT/i, "no answer in time (timeout)"],
  [/Unexpected server response: \d+|Parse Error/i, "a web server answered that passes no WebSocket on"],
  [
    /self-signed certificate|unable to (?:verify|get)|certificate has expired|altnames|wrong version number/i,
    "the web server in front of it proves no valid certificate",
  ],
  [/ECONNRESET|EPIPE|closed|TCP transmission error|Unexpected EOF/i, "the other end closed the connection"],
];

/** Everything that an error says about itself, its causes and its parts. */
function describe(error: unknown, depth = 0): string {
  if (!(error instanceof Error) || depth > 4) return String(error);
  const parts = error instanceof AggregateError ? error.errors.map((part) => describe(part, depth + 1)) : [];
  const cause = error.cause === undefined ? "" : describe(error.cause, depth + 1);
  return [error.name, error.message, ...parts, cause].filter(Boolean).join(" ");
}

/** PEER_UNREACHABLE with a reason that a person understands. */
export function dialError(address: string, error: unknown): EasynetError {
  const text = describe(error);
  const known = REASONS.find(([pattern]) => pattern.test(text));
  const reason = known?.[1] ?? text.slice(0, 200);
  return new EasynetError("PEER_UNREACHABLE", { peer: address, reason }, { cause: error });
}

/** PORT_IN_USE when a listen address is taken, otherwise CONFIG_INVALID. */
export function listenError(listenAddresses: readonly string[], error: unknown): EasynetError {
  const text = describe(error);
  const isFurther = listenAddresses.some((address) => /\/(?:ws|quic-v1)$/.test(address));
  const taken = /EADDRINUSE[^\d]*(?:[\d.]+|[^\s]*):(\d+)/.exec(text);
  if (taken) {
    const option = isFurther ? "--also-listen" : "--port";
    return new EasynetError("PORT_IN_USE", { port: taken[1] ?? "?", option }, { cause: error });
  }
  const reason = `cannot listen on ${listenAddresses.join(", ")}: ${text.slice(0, 200)}`;
  return new EasynetError("CONFIG_INVALID", { key: isFurther ? "alsoListen" : "listenHost", reason }, { cause: error });
}
