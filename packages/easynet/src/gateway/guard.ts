/**
 * Who may talk to a local server. Loopback is no defence by itself: a web page can make the browser of the same
 * machine send requests, and with DNS rebinding they are same-origin and carry no Origin header, so the Host is checked
 * too (Ollama GHSA-5jx5-hqx5-2vrj, MCP TypeScript SDK CVE-2025-66414).
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { isIP } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { EasynetError } from "../kernel/index.ts";

export interface GuardOptions {
  /** The address listened on. */
  readonly host: string;
  /** The port listened on; asked for each time because it is known only once listening. */
  readonly port: () => number;
  readonly token: string;
  /** Folder of the node, to say where the token is. */
  readonly home: string;
}

export class Guard {
  readonly #options: GuardOptions;
  readonly #tokenHash: Buffer;

  constructor(options: GuardOptions) {
    this.#options = options;
    this.#tokenHash = sha256(options.token);
  }

  /** The checks that need no token. @throws {EasynetError} HOST_REFUSED, ORIGIN_REFUSED */
  checkOrigin(headers: IncomingHttpHeaders): void {
    const host = headers.host ?? "";
    if (!this.#isOwnHost(host)) throw new EasynetError("HOST_REFUSED", { host: shown(host) });
    const origin = headers.origin;
    if (origin !== undefined && origin !== `http://${host}`) {
      throw new EasynetError("ORIGIN_REFUSED", { origin: shown(origin) });
    }
  }

  /** @throws {EasynetError} TOKEN_INVALID */
  checkBearer(headers: IncomingHttpHeaders): void {
    const [scheme, token] = (headers.authorization ?? "").split(" ", 2);
    this.checkToken(scheme?.toLowerCase() === "bearer" ? (token ?? "") : "");
  }

  /** Compares in constant time, hashed so that the lengths are equal. @throws {EasynetError} TOKEN_INVALID */
  checkToken(token: string): void {
    if (timingSafeEqual(sha256(token), this.#tokenHash)) return;
    throw new EasynetError("TOKEN_INVALID", { tokenFile: join(this.#options.home, "token") });
  }

  #isOwnHost(host: string): boolean {
    const match = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/i.exec(host);
    const name = match?.[1]?.toLowerCase();
    if (name === undefined || Number(match?.[2] ?? 80) !== this.#options.port()) return false;
    if (["127.0.0.1", "localhost", "[::1]", this.#options.host.toLowerCase()].includes(name)) return true;
    if (isLoopback(this.#options.host)) return false;
    // Open to the network: rebinding needs a name, so addresses are safe, and of names only the machine's own is.
    return isIP(name.replace(/^\[|\]$/g, "")) !== 0 || name === hostname().toLowerCase();
  }
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** A header as it may be shown: short and printable. */
function shown(header: string): string {
  return header.replace(/[^\x20-\x7e]/g, "?").slice(0, 100) || "(none)";
}
