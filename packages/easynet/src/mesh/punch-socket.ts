import { connect, createServer, isIPv6, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type Clock, EasynetError } from "../kernel/index.ts";
import type { PunchEnd } from "./punch-frames.ts";

/** Between two attempts, ms. An attempt that nobody refuses goes on by itself: the kernel repeats its first packet. */
const RETRY_INTERVAL_MS = 100;

/** How two ends dial each other at the same moment. */
export interface PunchSockets {
  /** A port of this machine that nobody uses. */
  freePort(host: string): Promise<number>;
  /** Resolves with the connection between the port here and the other end; tries until `signal` aborts. */
  open(options: { readonly port: number; readonly to: PunchEnd; readonly signal: AbortSignal }): Promise<Duplex>;
}

/**
 * TCP simultaneous open (RFC 9293, section 3.5): both ends connect from a chosen port, neither listens. The first
 * packet of each opens its own router for the other's (RFC 5128, section 3.4).
 */
export function tcpPunchSockets(clock: Clock): PunchSockets {
  return {
    freePort,
    async open({ port, to, signal }) {
      for (;;) {
        const socket = await attempt(port, to, signal);
        if (socket) return socket;
        if (signal.aborted) throw new EasynetError("PEER_UNREACHABLE", { peer: to.host, reason: "no answer in time" });
        await new Promise<void>((resolve) => {
          clock.setTimer(RETRY_INTERVAL_MS, resolve);
        });
      }
    },
  };
}

/** Undefined when it failed. */
function attempt(localPort: number, to: PunchEnd, signal: AbortSignal): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const localAddress = isIPv6(to.host) ? "::" : "0.0.0.0";
    const socket = connect({ host: to.host, port: to.port, localAddress, localPort, noDelay: true });
    const giveUp = (): void => {
      socket.destroy();
      resolve(undefined);
    };
    // Stays for the life of the socket: an error that nobody listens to would end the process.
    socket.on("error", giveUp);
    socket.once("connect", () => {
      signal.removeEventListener("abort", giveUp);
      resolve(socket);
    });
    if (signal.aborted) giveUp();
    else signal.addEventListener("abort", giveUp, { once: true });
  });
}

function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ host: isIPv6(host) ? "::" : "0.0.0.0", port: 0 }, () => {
      const bound = server.address();
      server.close(() => resolve(typeof bound === "object" && bound ? bound.port : 0));
    });
  });
}
