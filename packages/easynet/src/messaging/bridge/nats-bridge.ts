/**
 * Mirrors topics to and from a stream of NATS JetStream. Out: a message is handled here once JetStream has confirmed it;
 * `Nats-Msg-Id` makes JetStream drop what is sent again within its window (two minutes unless the stream says otherwise).
 * In: a durable consumer acknowledges once the message is stored here, so both ways are at least once, and what comes
 * again has the same id. Nothing goes round: out, what came over a bridge is left out by its `from`; in, what this
 * network sent by its header. Order is kept as long as nothing has to be sent again.
 */
import type { ConsumerMessages, JsMsg } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { EasynetError, type Logger, type Metrics, toEasynetError } from "../../kernel/index.ts";
import { type BridgedMessage, FOREIGN_KIND, HEADERS, idOf, originOf, subjectOf } from "./nats-mapping.ts";

/** Messages given to us and not acknowledged, at most; above, JetStream waits. */
const PENDING_COUNT_MAX = 256;
/** Before a message that could not be published here is given to us again, ms. */
const AGAIN_MS = 1000;
/** What the headers of a message take of what NATS allows, bytes. */
const HEADERS_BYTES_MAX = 2048;

export interface NatsBridgeOptions {
  /** `host:port`, several separated by commas. */
  readonly servers: string;
  /** Stream of JetStream; made with file storage when it is not there, else left as it is (its subjects: `STREAM.*`). */
  readonly stream: string;
  /** Topics to mirror to NATS; topic `a` is subject `STREAM.a`. */
  readonly toNats: readonly string[];
  /** Topics to mirror from there. */
  readonly fromNats: readonly string[];
  /** Name of this network, the same on all of its bridges: they share the work. */
  readonly network: string;
  /**
   * Publishes to the topic here; resolves when it is as safe as it has to be. Rejects with an error that may pass: the
   * message is given again; with another: it is left in the stream and not given again.
   */
  readonly publish: (message: BridgedMessage) => Promise<void>;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface NatsBridge {
  /**
   * Gives a message of a mirrored topic to NATS; call it when one comes, and take it for handled when this resolves.
   * Resolves at once for topics that are not mirrored, and for what came over the bridge.
   * @throws {EasynetError} BRIDGE_UNREACHABLE (NATS did not confirm: it may be sent again), INVALID_ARGUMENT (no JSON, or
   * more of it than that server takes)
   */
  forward(message: BridgedMessage): Promise<void>;
  /** NATS is connected; when not, its client connects again by itself. */
  readonly linked: boolean;
  /** Resolves when nothing is taken any more: it was closed, or NATS has no such consumer any more. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

/** @throws {EasynetError} DEPENDENCY_MISSING, BRIDGE_UNREACHABLE (also when NATS refuses the stream) */
export async function openNatsBridge(options: NatsBridgeOptions): Promise<NatsBridge> {
  const client = await loadClient();
  const unreachable = (cause: unknown): never => {
    throw unreachableError(options.servers, cause);
  };
  const servers = options.servers.split(",");
  const connection = await client.connect({ servers, maxReconnectAttempts: -1 }).catch(unreachable);
  try {
    const incoming = await consume(client, connection, options).catch(unreachable);
    return new Bridge(options, { client, connection, incoming });
  } catch (error) {
    await connection.close();
    throw error;
  }
}

type Client = Awaited<ReturnType<typeof loadClient>>;

/** Loads the client of NATS. @throws {EasynetError} DEPENDENCY_MISSING */
export async function requireClient(): Promise<void> {
  await loadClient();
}

/** Optional: only who has a bridge installs it. */
async function loadClient() {
  try {
    const [transport, jetstream] = await Promise.all([import("@nats-io/transport-node"), import("@nats-io/jetstream")]);
    return { ...jetstream, connect: transport.connect, headers: transport.headers };
  } catch (cause) {
    const packages = "@nats-io/transport-node @nats-io/jetstream";
    throw new EasynetError("DEPENDENCY_MISSING", { subject: "A bridge to NATS", packages }, { cause });
  }
}

async function consume(
  client: Client,
  connection: NatsConnection,
  { stream, network }: NatsBridgeOptions,
): Promise<ConsumerMessages> {
  const manager = await client.jetstreamManager(connection);
  await manager.streams.info(stream).catch(async () => {
    await manager.streams.add({ name: stream, subjects: [`${stream}.*`], storage: client.StorageType.File });
  });
  const durable = `easynet-${network.replaceAll(/[^A-Za-z0-9]/g, "-")}`;
  await manager.consumers.info(stream, durable).catch(async () => {
    await manager.consumers.add(stream, {
      durable_name: durable,
      ack_policy: client.AckPolicy.Explicit,
      deliver_policy: client.DeliverPolicy.New,
      max_ack_pending: PENDING_COUNT_MAX,
    });
  });
  const consumer = await client.jetstream(connection).consumers.get(stream, durable);
  return consumer.consume({ max_messages: PENDING_COUNT_MAX });
}

interface Opened {
  readonly client: Client;
  readonly connection: NatsConnection;
  readonly incoming: ConsumerMessages;
}

class Bridge implements NatsBridge {
  readonly #options: NatsBridgeOptions;
  readonly #opened: Opened;
  readonly #logger: Logger;
  readonly #topics: ReadonlyMap<string, string>;
  readonly ended: Promise<void>;
  #closed = false;
  linked = true;

  constructor(options: NatsBridgeOptions, opened: Opened) {
    this.#options = options;
    this.#opened = opened;
    this.#logger = options.logger.child({ component: "nats-bridge" });
    this.#topics = new Map(options.fromNats.map((topic) => [subjectOf(options.stream, topic), topic]));
    void this.#follow();
    this.ended = this.#takeAll().catch((error: unknown) => {
      if (!this.#closed) this.#logger.error("the bridge takes nothing any more", { error: toEasynetError(error) });
    });
  }

  async forward({ id, kind, topic, payload, from }: BridgedMessage): Promise<void> {
    const { stream, toNats, network, servers, metrics } = this.#options;
    if (!toNats.includes(topic) || from === originOf(stream)) return;
    const { client, connection } = this.#opened;
    const headers = client.headers();
    headers.set(HEADERS.kind, kind);
    headers.set(HEADERS.network, network);
    if (from !== undefined) headers.set(HEADERS.from, from);
    const body = encodeJson(payload);
    const bytesMax = connection.info?.max_payload ?? Infinity;
    if (Buffer.byteLength(body) + HEADERS_BYTES_MAX > bytesMax) {
      throw new EasynetError("INVALID_ARGUMENT", { subject: "The payload", reason: `NATS takes ${bytesMax} bytes` });
    }
    try {
      const { duplicate } = await client
        .jetstream(connection)
        .publish(subjectOf(stream, topic), body, { msgID: id, headers });
      metrics.count("easynet_bridge_messages_total", { direction: "out", outcome: duplicate ? "duplicate" : "taken" });
    } catch (cause) {
      metrics.count("easynet_bridge_messages_total", { direction: "out", outcome: "failed" });
      throw unreachableError(servers, cause);
    }
  }

  async close(): Promise<void> {
    const { connection, incoming } = this.#opened;
    this.#closed = true;
    await incoming.close();
    await this.ended;
    await (this.linked ? connection.drain() : connection.close());
  }

  async #follow(): Promise<void> {
    for await (const { type } of this.#opened.connection.status()) {
      if (type === "disconnect" || type === "close") this.linked = false;
      if (type === "reconnect") this.linked = true;
    }
  }

  async #takeAll(): Promise<void> {
    for await (const message of this.#opened.incoming) await this.#take(message);
  }

  async #take(message: JsMsg): Promise<void> {
    const { network, publish, metrics } = this.#options;
    const topic = this.#topics.get(message.subject);
    const count = (outcome: string): void =>
      metrics.count("easynet_bridge_messages_total", { direction: "in", outcome });
    if (topic === undefined || message.headers?.get(HEADERS.network) === network) {
      message.ack();
      return;
    }
    const bridged = this.#read(message, topic);
    if (!bridged) {
      // No later delivery will make JSON of it.
      message.term();
      count("refused");
      return;
    }
    try {
      await publish(bridged);
      message.ack();
      count("taken");
    } catch (thrown) {
      const error = toEasynetError(thrown);
      this.#logger.warn("message of the bridge not taken", { topic, id: bridged.id, error });
      if (error.retryable) message.nak(AGAIN_MS);
      // It stays in the stream, for people: given again, it would be refused again.
      else message.term();
      count(error.retryable ? "failed" : "refused");
    }
  }

  #read(message: JsMsg, topic: string): BridgedMessage | undefined {
    const { stream } = this.#options;
    const header = (name: string): string => message.headers?.get(name) ?? "";
    try {
      const payload: unknown = message.json();
      const id = idOf(header(HEADERS.id), { stream, sequence: message.seq });
      return { id, kind: header(HEADERS.kind) || FOREIGN_KIND, topic, payload, from: originOf(stream) };
    } catch {
      this.#logger.warn("message of the bridge is no JSON", { topic, sequence: message.seq });
      return undefined;
    }
  }
}

/** @throws {EasynetError} INVALID_ARGUMENT */
export function encodeJson(payload: unknown): string {
  const reason = "a bridge to NATS carries what JSON can hold";
  try {
    const text: unknown = JSON.stringify(payload);
    if (typeof text === "string") return text;
  } catch (cause) {
    throw new EasynetError("INVALID_ARGUMENT", { subject: "The payload", reason }, { cause });
  }
  throw new EasynetError("INVALID_ARGUMENT", { subject: "The payload", reason });
}

function unreachableError(servers: string, cause: unknown): EasynetError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new EasynetError("BRIDGE_UNREACHABLE", { servers, reason }, { cause });
}
