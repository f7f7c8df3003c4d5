import { isLocalTarget } from "../../packages/easynet/src/state/raft/messages.ts";
import type {
  Message,
  RaftConfig,
  RaftLogger,
  Snapshot,
  StepRefusal,
} from "../../packages/easynet/src/state/raft/types.ts";
import { describeEntry, describeMessage, describeReady } from "./describe.ts";
import { ScriptNode } from "./interaction-node.ts";

const LEVELS = ["DEBUG", "INFO", "WARN", "ERROR", "FATAL", "NONE"] as const;
const QUIET = LEVELS.indexOf("NONE");

const REFUSALS: Record<StepRefusal, string> = {
  "proposal-dropped": "raft proposal dropped",
  "local-message": "raft: cannot step raft local message",
  "peer-unknown": "raft: cannot step as peer not found",
};

/** The cluster of one file of `interaction/`: its messages wait until a command delivers them. */
export class InteractionScript {
  readonly #nodes: ScriptNode[] = [];
  #messages: Message[] = [];
  #output = "";
  #level = 0;

  /** The output of one command. */
  outputOf(perform: () => StepRefusal | undefined): string {
    this.#output = "";
    const refusal = perform();
    return this.#output + (refusal === undefined ? "" : REFUSALS[refusal]) || "ok";
  }

  write(text: string): void {
    if (this.#level !== QUIET) this.#output += text;
  }

  node(id: number): ScriptNode {
    const node = this.#nodes[id - 1];
    if (!node) throw new Error(`there is no node ${id}`);
    return node;
  }

  get nodes(): readonly ScriptNode[] {
    return this.#nodes;
  }

  setLevel(name: string): number {
    const before = this.#level;
    this.#level = LEVELS.findIndex((level) => level === name.toUpperCase());
    return before;
  }

  restoreLevel(level: number): void {
    this.#level = level;
  }

  readonly #logger: RaftLogger = (level, text) => {
    const name = level.toUpperCase();
    if (LEVELS.findIndex((each) => each === name) >= this.#level) this.write(`${name} ${text}\n`);
  };

  addNode(options: Partial<RaftConfig>, snapshot: Snapshot | undefined): void {
    this.#nodes.push(new ScriptNode({ ...options, id: this.#nodes.length + 1, logger: this.#logger }, snapshot));
  }

  send(message: Message): void {
    this.#messages.push(message);
  }

  #indented(action: () => void): void {
    const before = this.#output;
    this.#output = "";
    action();
    const lines = this.#output.split("\n").filter((line) => line !== "");
    this.#output = before + lines.map((line) => `  ${line}\n`).join("");
  }

  /** One after the other, under headers if there are several. */
  each(ids: readonly number[], what: string, action: (node: ScriptNode) => void): void {
    for (const id of ids) {
      if (ids.length === 1) action(this.node(id));
      else this.#under(id, what, () => action(this.node(id)));
    }
  }

  #under(id: number, what: string, action: () => void): void {
    this.write(`> ${id} ${what}\n`);
    this.#indented(action);
  }

  processReady(node: ScriptNode): void {
    const ready = node.raw.ready();
    this.write(describeReady(ready));
    this.#messages.push(...node.process(ready));
    node.processed();
  }

  processAppend(node: ScriptNode): void {
    const work = node.appendWork.shift();
    if (work) this.#doWork(work, () => node.doAppendWork(work));
    else this.write("no append work to perform");
  }

  processApply(node: ScriptNode): void {
    const work = node.applyWork.shift();
    if (work) this.#doWork(work, () => node.doApplyWork(work));
    else this.write("no apply work to perform");
  }

  #doWork(work: Message, action: () => void): void {
    this.write(`Processing:\n${describeMessage({ ...work, responses: [] })}\n`);
    action();
    this.write("Responses:\n");
    for (const response of work.responses) this.write(`${describeMessage(response)}\n`);
    this.#messages.push(...work.responses);
  }

  /** @returns how many messages there were */
  deliver(to: number, { type, drop }: { readonly type?: string | undefined; readonly drop: boolean }): number {
    const isWanted = (message: Message): boolean =>
      message.to === to && !(drop && isLocal(message)) && (type === undefined || message.type === type);
    const wanted = this.#messages.filter(isWanted);
    this.#messages = this.#messages.filter((message) => !isWanted(message));
    for (const message of wanted) {
      this.write(`${drop ? "dropped: " : ""}${describeMessage(message)}\n`);
      const refusal = drop ? undefined : this.node(to).raw.step(message);
      if (refusal) this.write(`${REFUSALS[refusal]}\n`);
    }
    return wanted.length;
  }

  stabilize(nodes: readonly ScriptNode[]): void {
    while (this.#round(nodes));
  }

  /** False when there was nothing to do. */
  #round(nodes: readonly ScriptNode[]): boolean {
    let didAnything = false;
    const forEach = (isDue: (node: ScriptNode) => boolean, what: string, action: (node: ScriptNode) => void): void => {
      for (const node of nodes) {
        if (!isDue(node)) continue;
        this.#under(node.id, what, () => action(node));
        didAnything = true;
      }
    };
    forEach(
      (node) => node.raw.hasReady(),
      "handling Ready",
      (node) => this.processReady(node),
    );
    forEach(
      ({ id }) => this.#messages.some(({ to }) => to === id),
      "receiving messages",
      ({ id }) => this.deliver(id, { drop: false }),
    );
    forEach(
      ({ appendWork }) => appendWork.length > 0,
      "processing append thread",
      (node) => {
        while (node.appendWork.length > 0) this.processAppend(node);
      },
    );
    forEach(
      ({ applyWork }) => applyWork.length > 0,
      "processing apply thread",
      (node) => {
        while (node.applyWork.length > 0) this.processApply(node);
      },
    );
    return didAnything;
  }

  writeLog({ storage }: ScriptNode): void {
    const first = storage.firstIndex();
    const last = storage.lastIndex();
    const entries = last < first ? [] : storage.entries(first, last + 1, Infinity);
    if (typeof entries === "string") throw new Error(`the log is ${entries}`);
    if (entries.length === 0) this.write(`log is empty: first index=${first}, last index=${last}`);
    for (const entry of entries) this.write(`${describeEntry(entry)}\n`);
  }
}

/** What must not be lost: to oneself, and from and to storage. */
function isLocal({ from, to }: Message): boolean {
  return from === to || isLocalTarget(from) || isLocalTarget(to);
}
