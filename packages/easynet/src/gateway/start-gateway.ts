import { EasynetError, systemClock } from "../kernel/index.ts";
import type { Gateway, GatewayOptions } from "./gateway-options.ts";
import { isLoopback } from "./guard.ts";
import { createHttpApp } from "./http-app.ts";
import { CLOSE_TIMEOUT_MS, TOKEN_LENGTH_MIN } from "./limits.ts";
import { SocketServer } from "./socket-server.ts";

/**
 * Opens the doors of a running node: HTTP API and WebSocket on one port.
 * @throws {EasynetError} PORT_IN_USE; CONFIG_INVALID when the token is too short to protect what it opens
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { host = "127.0.0.1", token, clock = systemClock } = options;
  if (token.length < TOKEN_LENGTH_MIN) {
    const where = isLoopback(host) ? "the local API" : `an API that other machines reach (${host})`;
    throw new EasynetError("CONFIG_INVALID", {
      key: "token",
      reason: `${where} needs a token of at least ${TOKEN_LENGTH_MIN} characters`,
    });
  }
  let port = 0;
  const { app, guard, streams } = await createHttpApp(options, () => port);
  const sockets = new SocketServer({ node: options.node, guard, logger: options.logger, clock });
  app.server.on("upgrade", (request, socket, head) => sockets.upgrade(request, socket, head));
  try {
    await app.listen({ host, port: options.port });
  } catch (error) {
    throw listenError(error, options);
  }
  const address = app.server.address();
  port = typeof address === "object" && address !== null ? address.port : options.port;
  const name = host.includes(":") ? `[${host}]` : host;
  return {
    url: `http://${name}:${port}`,
    async close() {
      sockets.close();
      streams.closeAll();
      const drop = clock.setTimer(CLOSE_TIMEOUT_MS, () => app.server.closeAllConnections());
      await app.close();
      drop.cancel();
    },
  };
}

function listenError(error: unknown, options: GatewayOptions): EasynetError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "EADDRINUSE") {
    return new EasynetError("PORT_IN_USE", { port: options.port, option: "--api-port" }, { cause: error });
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new EasynetError("CONFIG_INVALID", { key: "apiHost", reason }, { cause: error });
}
