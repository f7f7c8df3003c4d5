import type { Did } from "../identity/index.ts";
import { type Clock, EasynetError, type Logger, type Metrics, type Random } from "../kernel/index.ts";
import { type BridgedMessage, createKeptBridge, type KeptBridge, type Messages } from "../messaging/index.ts";
import type { Store } from "../storage/index.ts";
import type { NodeConfig } from "./config.ts";

export interface BridgeOfOptions {
  readonly store: Store;
  readonly network: Did;
  readonly messages: Messages;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** After a start members of topics are learnt within this, ms: what comes from NATS before would reach nobody. */
const LEARNING_MS = 3_000;

/** The bridge of the settings. */
export function bridgeOf(
  { bridges: { nats } }: Pick<NodeConfig, "bridges">,
  options: BridgeOfOptions,
): KeptBridge | undefined {
  if (!nats) return undefined;
  const publish = (message: BridgedMessage): Promise<void> => publishHere(options.messages, message);
  return createKeptBridge({ ...options, ...nats, servers: nats.servers.join(","), delayMs: LEARNING_MS, publish });
}

/** To the members of the moment; when one of them cannot be sent to, JetStream keeps it and gives it again. */
async function publishHere(messages: Messages, { id, kind, topic, payload, from }: BridgedMessage): Promise<void> {
  const { failed } = await messages.publish(topic, { id, kind, payload, from, durability: "disk" });
  const [first] = failed;
  if (first) throw new EasynetError("BACKPRESSURE", { peer: first.peer, bytes: 0, lane: "normal" });
}
