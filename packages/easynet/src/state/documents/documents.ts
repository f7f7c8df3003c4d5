import type { Did } from "../../identity/index.ts";
import {
  type Clock,
  EasynetError,
  isEasynetError,
  type Logger,
  type Metrics,
  pick,
  type Random,
  repeat,
  type Timer,
  toEasynetError,
} from "../../kernel/index.ts";
import type { Mesh, MeshFrame } from "../../mesh/index.ts";
import type { Store } from "../../storage/index.ts";
import { FRAME_TYPES, type FrameType, type Lane } from "../../wire/index.ts";
import { type Engine, loadEngine } from "./engine.ts";
import { decodeAsk, decodePart, encodeAsk, encodeParts, type Part } from "./frames.ts";
import { DOCUMENTS_SPACE, KeptDocument } from "./kept-document.ts";
import { ARRIVING_COUNT_MAX, DOCUMENT_NAME_LENGTH_MAX, DOCUMENTS_COUNT_MAX } from "./limits.ts";
import type { DocumentReport, Documents, SharedDocument } from "./types.ts";

/** Between two asks of a random peer for what may have been missed, ms. */
const ASK_MS = 30_000;
const LANE: Lane = "normal";

export interface DocumentsOptions {
  readonly mesh: Mesh;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** @default Loro, loaded with the first document */
  readonly load?: () => Promise<Engine>;
}

/** Documents that run. */
export interface RunningDocuments extends Documents {
  start(): void;
  stop(): void;
}

/** Documents over `mesh`, kept in `store`; claims their frame types. */
export function createDocuments(options: DocumentsOptions): RunningDocuments {
  return new MeshDocuments(options);
}

class MeshDocuments implements RunningDocuments {
  readonly #options: DocumentsOptions;
  /** Every document that was opened here once; those in use with their content. */
  readonly #kept = new Map<string, Promise<KeptDocument> | undefined>();
  readonly #open = new Map<string, KeptDocument>();
  /** Peers that have a document open, because they asked for it. */
  readonly #interested = new Map<string, Set<Did>>();
  readonly #arriving = new Map<Did, Map<number, Part[]>>();
  readonly #disposables: Disposable[];
  readonly #timer: Timer;
  #engine: Promise<Engine> | undefined;
  #number = 0;

  constructor(options: DocumentsOptions) {
    this.#options = options;
    const { mesh, clock, random } = options;
    mesh.handle(FRAME_TYPES["document-ask"], (frame) => this.#guard(frame, () => this.#onAsk(frame)));
    mesh.handle(FRAME_TYPES["document-part"], (frame) => this.#guard(frame, () => this.#onPart(frame)));
    this.#disposables = [
      mesh.on("peer-joined", ({ did }) => this.#askAll(did)),
      mesh.on("peer-left", ({ did }) => this.#lost(did)),
    ];
    this.#timer = repeat(clock, ASK_MS, () => {
      const peer = pick(random, mesh.peers());
      if (peer) this.#askAll(peer.did);
    });
  }

  start(): void {
    for (let after = ""; ;) {
      const page = this.#options.store.list(DOCUMENTS_SPACE, { after, limit: 100 });
      for (const { key } of page) this.#kept.set(key.slice(0, key.lastIndexOf("/")), undefined);
      const last = page.at(-1);
      if (!last) break;
      after = last.key;
    }
  }

  stop(): void {
    this.#timer.cancel();
    for (const each of this.#disposables) each[Symbol.dispose]();
  }

  async open(name: string): Promise<SharedDocument> {
    if (!/^[^\p{Cc}/]+$/u.test(name) || name.length > DOCUMENT_NAME_LENGTH_MAX || !name.isWellFormed()) {
      const reason = `it is 1 to ${DOCUMENT_NAME_LENGTH_MAX} letters without / and control characters`;
      throw new EasynetError("INVALID_ARGUMENT", { subject: "The name of a document", reason });
    }
    if (!this.#kept.has(name) && this.#kept.size >= DOCUMENTS_COUNT_MAX) {
      throw new EasynetError("OVERLOADED", { subject: "Documents", queued: this.#kept.size });
    }
    return this.#load(name);
  }

  list(): readonly DocumentReport[] {
    return Array.from(this.#kept.keys(), (name) => {
      const open = this.#open.get(name);
      return { name, bytes: open?.bytes ?? 0, updates: open?.updatesCount ?? 0, isOpen: open !== undefined };
    });
  }

  #load(name: string): Promise<KeptDocument> {
    const known = this.#kept.get(name);
    if (known) return known;
    const loading = this.#read(name);
    this.#kept.set(name, loading);
    loading.catch(() => this.#kept.delete(name));
    return loading;
  }

  async #read(name: string): Promise<KeptDocument> {
    const { store, mesh, random } = this.#options;
    this.#engine ??= (this.#options.load ?? loadEngine)();
    const engine = await this.#engine.catch((error: unknown) => {
      this.#engine = undefined;
      throw error;
    });
    const live = engine.create({ peer: BigInt(Math.floor(random.next() * 2 ** 53)) });
    const onEdited = (update: Uint8Array): void => {
      for (const did of this.#interested.get(name) ?? []) this.#send(did, name, update);
    };
    const document = new KeptDocument({ name, live, store, author: mesh.self, onEdited });
    this.#open.set(name, document);
    for (const { did } of mesh.peers()) this.#ask(did, document, true);
    return document;
  }

  #askAll(did: Did): void {
    for (const document of this.#open.values()) this.#ask(did, document, true);
  }

  #lost(did: Did): void {
    this.#arriving.delete(did);
    for (const interested of this.#interested.values()) interested.delete(did);
  }

  async #onAsk({ from, body }: MeshFrame): Promise<void> {
    const { name, version, isFirst } = decodeAsk(body);
    // Who never opened it has nothing to say, and gets nothing.
    if (!this.#kept.has(name)) return;
    const interested = this.#interested.get(name) ?? new Set();
    this.#interested.set(name, interested.add(from));
    const document = await this.#load(name);
    const update = document.live.since(version);
    if (update) this.#send(from, name, update);
    if (isFirst) this.#ask(from, document, false);
  }

  async #onPart({ from, body }: MeshFrame): Promise<void> {
    const bytes = this.#assemble(from, decodePart(body));
    if (!bytes || !this.#kept.has(bytes.name)) return;
    const document = await this.#load(bytes.name);
    const update = await document.take(bytes.content);
    // Nothing new in it may mean that what it builds on is missing.
    if (!update) this.#ask(from, document, false);
  }

  #assemble(from: Did, part: Part): { readonly name: string; readonly content: Uint8Array } | undefined {
    const arriving = this.#arriving.get(from) ?? new Map<number, Part[]>();
    this.#arriving.set(from, arriving);
    const parts = arriving.get(part.number) ?? [];
    if (part.index !== parts.length) {
      arriving.delete(part.number);
      return undefined;
    }
    parts.push(part);
    arriving.set(part.number, parts);
    if (arriving.size > ARRIVING_COUNT_MAX) arriving.delete(arriving.keys().next().value ?? part.number);
    if (!part.isLast) return undefined;
    arriving.delete(part.number);
    return { name: part.name, content: Buffer.concat(parts.map(({ bytes }) => bytes)) };
  }

  #ask(to: Did, document: KeptDocument, isFirst: boolean): void {
    this.#frame(to, "document-ask", encodeAsk({ name: document.name, version: document.version(), isFirst }));
  }

  #send(to: Did, name: string, update: Uint8Array): void {
    this.#number += 1;
    for (const part of encodeParts(name, this.#number, update)) if (!this.#frame(to, "document-part", part)) return;
  }

  #frame(to: Did, type: FrameType, body: Uint8Array): boolean {
    const { mesh, metrics } = this.#options;
    try {
      mesh.send(to, { lane: LANE, type: FRAME_TYPES[type], body });
      return true;
    } catch (error) {
      if (!isEasynetError(error)) throw error;
      metrics.count("easynet_document_messages_unsent_total", { type, reason: error.code });
      return false;
    }
  }

  async #guard({ from }: MeshFrame, action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (thrown) {
      const error = toEasynetError(thrown);
      const { metrics, logger } = this.#options;
      metrics.count("easynet_document_refused_total", { code: error.code });
      if (error.code === "INTERNAL") logger.error("documents failed on a message", { from, error: thrown });
      else logger.warn("document message refused", { from, code: error.code, reason: error.message });
    }
  }
}
