import type { LoroDoc } from "loro-crdt";
import { EasynetError } from "../../kernel/index.ts";
import type { DocumentChange, DocumentEdit } from "./types.ts";

/** What documents need of a library for them; Loro stands behind it. */
export interface Engine {
  create(options: { readonly peer: bigint }): LiveDocument;
}

export interface LiveDocument {
  read(): unknown;
  /** All or none. @throws {EasynetError} INVALID_ARGUMENT */
  edit(edits: readonly DocumentEdit[], author: string): void;
  version(): Uint8Array;
  /** Whether everything that a version stands for is here. @throws {EasynetError} DOCUMENT_INVALID */
  knows(version: Uint8Array): boolean;
  /** Changes after a version; undefined when there are none. @throws {EasynetError} DOCUMENT_INVALID */
  since(version: Uint8Array): Uint8Array | undefined;
  snapshot(): Uint8Array;
  /** False: something that it builds on is missing. @throws {EasynetError} DOCUMENT_INVALID */
  import(bytes: Uint8Array): boolean;
  history(): DocumentChange[];
}

const loadLoro = async () => import("loro-crdt");
type Loro = Awaited<ReturnType<typeof loadLoro>>;

/** Loads Loro, which nobody needs who opens no document. @throws {EasynetError} DEPENDENCY_MISSING */
export async function loadEngine(load: () => Promise<Loro> = loadLoro): Promise<Engine> {
  const loro = await load().catch((cause: unknown) => {
    throw new EasynetError("DEPENDENCY_MISSING", { subject: "A document", packages: "loro-crdt@1.17.1" }, { cause });
  });
  return {
    create: ({ peer }) => {
      const doc = new loro.LoroDoc();
      doc.setPeerId(peer);
      doc.setRecordTimestamp(true);
      // Changes of one author stay apart, so that the history can name each.
      doc.setChangeMergeInterval(-1);
      return new LoroDocument(loro, doc);
    },
  };
}

class LoroDocument implements LiveDocument {
  readonly #loro: Loro;
  readonly #doc: LoroDoc;

  constructor(loro: Loro, doc: LoroDoc) {
    this.#loro = loro;
    this.#doc = doc;
  }

  read(): unknown {
    return this.#doc.toJSON();
  }

  edit(edits: readonly DocumentEdit[], author: string): void {
    for (const [index, edit] of edits.entries()) this.#check(edit, edits.slice(0, index));
    for (const edit of edits) this.#apply(edit);
    this.#doc.commit({ message: author });
  }

  version(): Uint8Array {
    return this.#doc.oplogVersion().encode();
  }

  knows(version: Uint8Array): boolean {
    const order = this.#doc.oplogVersion().compare(this.#versionFrom(version));
    return order !== undefined && order >= 0;
  }

  since(version: Uint8Array): Uint8Array | undefined {
    const from = this.#versionFrom(version);
    const order = from.compare(this.#doc.oplogVersion());
    return order !== undefined && order >= 0 ? undefined : this.#doc.export({ mode: "update", from });
  }

  snapshot(): Uint8Array {
    return this.#doc.export({ mode: "snapshot" });
  }

  import(bytes: Uint8Array): boolean {
    const { pending } = refusing(() => this.#doc.import(bytes));
    return pending === null || pending === undefined || pending.size === 0;
  }

  history(): DocumentChange[] {
    const all = [...this.#doc.getAllChanges().values()].flat();
    all.sort((one, other) => one.lamport - other.lamport || (one.peer < other.peer ? -1 : 1));
    return all.map(({ message, timestamp, length }) => ({
      author: message ?? "",
      atMs: timestamp * 1000,
      operations: length,
    }));
  }

  #versionFrom(version: Uint8Array): ReturnType<LoroDoc["oplogVersion"]> {
    return refusing(() => this.#loro.VersionVector.decode(version));
  }

  #apply(edit: DocumentEdit): void {
    switch (edit.kind) {
      case "set":
        this.#doc.getMap(FIELDS).set(edit.field, edit.value);
        break;
      case "unset":
        this.#doc.getMap(FIELDS).delete(edit.field);
        break;
      case "text": {
        const text = this.#doc.getText(edit.name);
        if (edit.remove) text.delete(edit.at, edit.remove);
        if (edit.insert) text.insert(edit.at, edit.insert);
        break;
      }
      case "list": {
        const list = this.#doc.getList(edit.name);
        if (edit.remove) list.delete(edit.at, edit.remove);
        for (const [index, value] of (edit.insert ?? []).entries()) list.insert(edit.at + index, value);
        break;
      }
    }
  }

  /** Whether an edit fits after those before it: then none of them can fail halfway. */
  #check(edit: DocumentEdit, before: readonly DocumentEdit[]): void {
    if (edit.kind === "set" || edit.kind === "unset") return;
    const { kind, name, at, remove = 0 } = edit;
    let length = kind === "text" ? this.#doc.getText(name).length : this.#doc.getList(name).length;
    for (const each of before) {
      if (each.kind === kind && each.name === name) length += (each.insert?.length ?? 0) - (each.remove ?? 0);
    }
    const fits = [at, remove].every((number) => Number.isSafeInteger(number) && number >= 0) && at + remove <= length;
    if (fits && name !== FIELDS) return;
    const reason = `${kind} ${name}: at ${at}, remove ${remove} does not fit a length of ${length}`;
    throw new EasynetError("INVALID_ARGUMENT", { subject: "The edit", reason });
  }
}

const FIELDS = "fields";

function refusing<Value>(action: () => Value): Value {
  try {
    return action();
  } catch (cause) {
    throw new EasynetError("DOCUMENT_INVALID", { reason: String(cause).slice(0, 200) }, { cause });
  }
}
