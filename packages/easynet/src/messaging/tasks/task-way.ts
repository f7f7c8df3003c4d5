import type { Did } from "../../identity/index.ts";
import type { AgentEvent } from "../../model/index.ts";
import type { ExchangeRequest, Exchanges } from "../types.ts";
import type { AttachOptions, TaskServer } from "./types.ts";

/** How a caller gets to the providers: over the network, and within its own node. */
export interface TaskWay {
  readonly self: Did;
  readonly server: TaskServer;
  readonly exchanges: Exchanges;
}

/** Events of a stored task; leaving early cancels it. @throws {EasynetError} at once as `Exchanges.open`, or while it is read */
export function attachTo(
  node: Did,
  request: ExchangeRequest,
  { self, server, exchanges, ...options }: TaskWay & AttachOptions,
): AsyncIterable<AgentEvent> {
  return node === self ? attachHere(self, request, { server, ...options }) : exchanges.open(node, request, options);
}

async function* attachHere(
  self: Did,
  request: ExchangeRequest,
  { server, ...options }: AttachOptions & { readonly server: TaskServer },
): AsyncGenerator<AgentEvent, void, void> {
  let over = false;
  try {
    for await (const event of server.attach(self, request, options)) {
      over = event.type === "final" || event.type === "error";
      yield event;
    }
    over = true;
  } catch (error) {
    over = true;
    throw error;
  } finally {
    if (!over) server.cancel(self, request.envelope.id);
  }
}
