import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { type Clock, EasynetError, type Logger, toEasynetError } from "../kernel/index.ts";
import { type EasynetNode, LOCAL_LIMITS, LOCAL_SUBPROTOCOLS, LOCAL_WEBSOCKET_PATH } from "../node/index.ts";
import { AttachSession } from "./attach-session.ts";
import type { Guard } from "./guard.ts";
import { CONNECTIONS_COUNT_MAX } from "./limits.ts";
import { chooseFormat } from "./message-format.ts";
import { languageOf, problemOf } from "./problem.ts";
import { routeUnknown } from "./state-routes.ts";

export interface SocketServerOptions {
  readonly node: EasynetNode;
  readonly guard: Guard;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** WebSockets on the gateway's port: checks the upgrade, agrees on a format, starts a session. */
export class SocketServer {
  readonly #options: SocketServerOptions;
  readonly #agentNames = new Set<string>();
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: LOCAL_LIMITS.messageBytesMax,
    perMessageDeflate: false,
    handleProtocols: (offered) => chooseFormat(offered)?.subprotocol ?? false,
  });

  constructor(options: SocketServerOptions) {
    this.#options = options;
  }

  /** For the `upgrade` event of the HTTP server. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    try {
      const format = this.#check(request);
      this.#server.handleUpgrade(request, socket, head, (webSocket) => {
        const agentNames = this.#agentNames;
        const session = new AttachSession({ ...this.#options, socket: webSocket, raw: socket, format, agentNames });
        session.start();
      });
    } catch (error) {
      refuseUpgrade(request, socket, toEasynetError(error));
    }
  }

  /** Tells every process that the node stops and ends the connections. */
  close(): void {
    for (const client of this.#server.clients) {
      client.close(1001, "the node is stopping");
      // What is still unread after the close frame is of no use to a process whose node is gone.
      setImmediate(() => client.terminate());
    }
    this.#server.close();
  }

  #check(request: IncomingMessage): ReturnType<typeof requiredFormat> {
    this.#options.guard.checkOrigin(request.headers);
    if (request.url?.split("?", 1)[0] !== LOCAL_WEBSOCKET_PATH) {
      throw routeUnknown(request.method ?? "GET", request.url ?? "/");
    }
    if (this.#server.clients.size >= CONNECTIONS_COUNT_MAX) {
      throw new EasynetError("OVERLOADED", { subject: "The local API", queued: this.#server.clients.size });
    }
    return requiredFormat(request.headers["sec-websocket-protocol"]);
  }
}

function requiredFormat(header: string | undefined): NonNullable<ReturnType<typeof chooseFormat>> {
  const offered = new Set(
    (header ?? "")
      .split(",")
      .map((name) => name.trim())
      .filter(Boolean),
  );
  const format = chooseFormat(offered);
  if (format) return format;
  const known = Object.values(LOCAL_SUBPROTOCOLS).join(" and ");
  throw new EasynetError("INVALID_ARGUMENT", {
    subject: "The WebSocket subprotocol",
    reason: `this node speaks ${known}`,
  });
}

function refuseUpgrade(request: IncomingMessage, socket: Duplex, error: EasynetError): void {
  const problem = problemOf(error, languageOf(request.headers["accept-language"]));
  const body = JSON.stringify(problem);
  socket.end(
    `HTTP/1.1 ${problem.status} Refused\r\ncontent-type: application/problem+json\r\nconnection: close\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
