/** One edit of a document. Fields are values by name, texts and lists have a name of their own. */
export type DocumentEdit =
  | { readonly kind: "set"; readonly field: string; readonly value: unknown }
  | { readonly kind: "unset"; readonly field: string }
  /** Removes letters (UTF-16 units) and inserts others in their place. */
  | {
      readonly kind: "text";
      readonly name: string;
      readonly at: number;
      readonly remove?: number;
      readonly insert?: string;
    }
  /** The same of a list. */
  | {
      readonly kind: "list";
      readonly name: string;
      readonly at: number;
      readonly remove?: number;
      readonly insert?: readonly unknown[];
    };

/** Edits that somebody made together. */
export interface DocumentChange {
  /** did of the node on which it was made; empty when whoever made it did not say. */
  readonly author: string;
  /** Unix epoch ms, to the second. */
  readonly atMs: number;
  /** Operations: a letter is one. */
  readonly operations: number;
}

export interface DocumentReport {
  readonly name: string;
  readonly bytes: number;
  /** Changes on disk since the last snapshot. */
  readonly updates: number;
  readonly isOpen: boolean;
}

/** A document that several edit at once: every edit stays, and all who heard the same edits have the same content. */
export interface SharedDocument {
  readonly name: string;
  /** `{fields: {…}, <name>: "text", <name>: […]}`. */
  read(): unknown;
  /** Resolves when it is on this node's disk; who has it open is told after that. @throws {EasynetError} INVALID_ARGUMENT (nothing was changed), DOCUMENT_TOO_LARGE, STORAGE_FULL, STORAGE_FAILED */
  edit(...edits: readonly DocumentEdit[]): Promise<void>;
  /** Called after each change, of here or elsewhere. */
  onChange(listener: () => void): Disposable;
  /** Every change with its author, the oldest first; those of one author that follow one another may be told as one. */
  history(): readonly DocumentChange[];
  /** All of it, or what came after a version of it; what `import` takes. */
  export(since?: Uint8Array): Uint8Array;
  /** Takes in what was exported elsewhere; what is known already changes nothing. @throws {EasynetError} DOCUMENT_INVALID, DOCUMENT_TOO_LARGE */
  import(bytes: Uint8Array): Promise<void>;
  /** What of it is known here, for `export`. */
  version(): Uint8Array;
  /** Puts one snapshot in the place of the changes on disk. It also happens by itself, every 200 changes. */
  compact(): Promise<void>;
}

/** Documents of this node; each is kept by the members that opened it once. */
export interface Documents {
  /**
   * Opens a document and makes it if there is none. What others have of it comes as soon as they are linked.
   * @throws {EasynetError} DEPENDENCY_MISSING with the command that installs it, INVALID_ARGUMENT, OVERLOADED
   */
  open(name: string): Promise<SharedDocument>;
  list(): readonly DocumentReport[];
}
