import type { FastifyRequest } from "fastify";
import type { FastifyPluginCallbackZod } from "fastify-type-provider-zod";
import { EasynetError, systemClock, toEasynetError } from "../kernel/index.ts";
import { reviveJson } from "../node/index.ts";
import type { CallRequest, RoutedEvent } from "../routing/index.ts";
import { type CallBody, callResultSchema, callSchema, priorityOf, problemSchema } from "./api-schemas.ts";
import { collectCall } from "./collect-call.ts";
import type { EventStream } from "./event-stream.ts";
import { HTTP_CALLS_COUNT_MAX } from "./limits.ts";
import type { RouteContext } from "./state-routes.ts";

/** POST /api/call: one answer, or the events of the call when the caller accepts an event stream. */
export function callRoute({ options, streams }: RouteContext): FastifyPluginCallbackZod {
  const { node, clock = systemClock } = options;
  let openCount = 0;
  return (app, _, done) => {
    app.post(
      "/api/call",
      {
        schema: {
          summary: "Call a capability anywhere in the network",
          description: "With `Accept: text/event-stream` the events of the call are sent as they happen.",
          body: callSchema,
          response: { 200: callResultSchema, "4xx": problemSchema, "5xx": problemSchema },
        },
      },
      async (request, reply) => {
        if (openCount >= HTTP_CALLS_COUNT_MAX) {
          throw new EasynetError("OVERLOADED", { subject: "The local API", queued: openCount });
        }
        const call = callRequestOf(request.body);
        const caller = new AbortController();
        reply.raw.once("close", () => caller.abort(new EasynetError("CANCELLED", { subject: call.capability })));
        const events = node.call(call, { signal: caller.signal });
        openCount += 1;
        try {
          if (!wantsStream(request)) return await collectCall(events, call.capability, clock);
          const stream = streams.open(reply.raw);
          reply.hijack();
          await pump(events, stream);
          return reply;
        } finally {
          openCount -= 1;
        }
      },
    );
    done();
  };
}

function callRequestOf(body: CallBody): CallRequest {
  const kwargs = reviveJson(body.kwargs ?? {});
  const args = reviveJson(body.args ?? []);
  return {
    capability: body.capability,
    input: { args: Array.isArray(args) ? args : [], kwargs: isRecord(kwargs) ? kwargs : {} },
    id: body.id,
    target: body.target,
    timeoutMs: body.timeoutMs,
    priority: priorityOf(body),
    budget: body.budget,
  };
}

/** False for named arguments that turned out to be one `{"$bytes": …}`. */
function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !(value instanceof Uint8Array);
}

function wantsStream(request: FastifyRequest): boolean {
  return (request.headers.accept ?? "").includes("text/event-stream");
}

async function pump(events: AsyncIterable<RoutedEvent>, stream: EventStream): Promise<void> {
  try {
    for await (const event of events) await stream.send(event.type, event);
  } catch (error) {
    await stream.send("error", { type: "error", error: toEasynetError(error).toJSON() });
  } finally {
    stream.end();
  }
}
