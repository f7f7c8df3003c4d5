import type { IncomingMessage } from "node:http";
import type { FastifyInstance } from "fastify";
import type { Clock, Timer } from "../kernel/index.ts";
import { BODY_TIMEOUT_MS } from "./limits.ts";

/** Cuts connections whose body does not arrive, whoever sends it: also that of a request which was refused before it came. */
export class BodyTimeout {
  readonly #clock: Clock;
  readonly #timers = new WeakMap<IncomingMessage, Timer>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** From before the first check of a request. */
  register(app: FastifyInstance): void {
    app.addHook("onRequest", async ({ raw }) => {
      const hasBody = raw.headers["content-length"] !== undefined || raw.headers["transfer-encoding"] !== undefined;
      if (hasBody && !raw.complete) this.#watch(raw);
    });
  }

  /** Its route needs time for the body, and its sender has shown the token: the server's own limit is left. */
  allow(raw: IncomingMessage): void {
    this.#timers.get(raw)?.cancel();
  }

  #watch(raw: IncomingMessage): void {
    const timer = this.#clock.setTimer(BODY_TIMEOUT_MS, () => {
      if (raw.complete) return;
      raw.socket.end("HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n", () => raw.socket.destroy());
    });
    this.#timers.set(raw, timer);
    raw.once("end", () => timer.cancel());
    // Of a refused request this comes with the refusal, while its body may still be on its way.
    raw.once("close", () => {
      if (raw.complete || raw.socket.destroyed) timer.cancel();
    });
  }
}
