import { type Clock, EasynetError, fromWireError } from "../kernel/index.ts";
import type { RoutedEvent } from "../routing/index.ts";
import type { CallResult } from "./api-schemas.ts";
import { COLLECTED_ITEMS_COUNT_MAX } from "./limits.ts";

/**
 * Reads the events of a call to their end.
 * @throws {EasynetError} what the call failed with; RESULT_TOO_LARGE when it yields more items than fit one answer
 */
export async function collectCall(
  events: AsyncIterable<RoutedEvent>,
  capability: string,
  clock: Clock,
): Promise<CallResult> {
  const startMs = clock.monotonicMs();
  const result = { taskId: "", node: "", nodeName: "", agent: "", attempts: 0 };
  const items: unknown[] = [];
  let usage: CallResult["usage"];
  for await (const event of events) {
    switch (event.type) {
      case "assigned":
        result.taskId = event.taskId;
        result.node = event.node;
        result.nodeName = event.nodeName;
        result.agent = event.agent;
        result.attempts += 1;
        break;
      case "item":
        if (items.length === COLLECTED_ITEMS_COUNT_MAX) throw tooLarge(capability);
        items.push(event.value);
        break;
      case "usage": {
        const { type: _, ...spent } = event;
        usage = spent;
        break;
      }
      case "error":
        throw fromWireError(event.error);
      case "final":
        return {
          ...result,
          value: event.value,
          ...(event.text !== undefined && { text: event.text }),
          ...(items.length > 0 && { items }),
          durationMs: Math.round((clock.monotonicMs() - startMs) * 1000) / 1000,
          ...(usage && { usage }),
        };
      case "retried":
      case "accepted":
      case "delta":
      case "thought":
      case "tool":
      case "ask":
      case "artifact":
        // For readers of the stream.
        break;
    }
  }
  throw new EasynetError("INTERNAL", { reason: `the call of ${capability} ended without a result` });
}

function tooLarge(capability: string): EasynetError {
  return new EasynetError("RESULT_TOO_LARGE", {
    capability,
    bytesMax: `${COLLECTED_ITEMS_COUNT_MAX} items or too many`,
  });
}
