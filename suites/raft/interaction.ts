import { describeProgress } from "../../packages/easynet/src/state/raft/describe.ts";
import { isLocalTarget, makeMessage } from "../../packages/easynet/src/state/raft/messages.ts";
import type {
  ConfChangeTransition,
  Message,
  RaftConfig,
  RaftLogger,
  Snapshot,
  StepRefusal,
} from "../../packages/easynet/src/state/raft/types.ts";
import { parseChanges } from "./changes.ts";
import { describeEntry, describeMessage, describeReady } from "./describe.ts";
import { ScriptNode } from "./interaction-node.ts";
import { type Command, numbersOf, plainNumbers, valueOf } from "./script.ts";

const LEVELS = ["DEBUG", "INFO", "WARN", "ERROR", "FATAL", "NONE"] as const;
const QUIET = LEVELS.indexOf("NONE");

const REFUSALS: Record<StepRefusal, string> = {
  "proposal-dropped": "raft proposal dropped",
  "local-message": "raft: cannot step raft local message",
  "peer-unknown": "raft: cannot step as peer not found",
};

/** Runs the commands of one file of `interaction/`, in order: a cluster whose messages wait until a command delivers them. */
export class InteractionScript {
  readonly #nodes: ScriptNode[] = [];
  #messages: Message[] = [];
  #output = "";
  #level = 0;

  run(command: Command): string {
    this.#output = "";
    const handler = HANDLERS[command.name];
    if (!handler) throw new Error(`unknown command ${command.name}`);
    const refusal = handler(this, command);
    const problem = refusal === undefined || refusal === null ? "" : REFUSALS[refusal];
    return this.#output + problem || "ok";
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

type Handler = (script: InteractionScript, command: Command) => StepRefusal | undefined | null;

const first = (script: InteractionScript, command: Command): ScriptNode => script.node(plainNumbers(command)[0] ?? 0);
const done = (_: unknown): null => null;

const HANDLERS: Readonly<Record<string, Handler>> = {
  "add-nodes": addNodes,
  campaign: (script, command) => first(script, command).raw.campaign(),
  propose(script, command) {
    const [, data] = command.args;
    return first(script, command).raw.propose(Buffer.from(data?.key ?? ""));
  },
  "propose-conf-change": proposeConfChange,
  "process-ready": (script, command) =>
    done(script.each(plainNumbers(command), "handling Ready", (node) => script.processReady(node))),
  "process-append-thread": (script, command) =>
    done(script.each(plainNumbers(command), "processing append thread", (node) => script.processAppend(node))),
  "process-apply-thread": (script, command) =>
    done(script.each(plainNumbers(command), "processing apply thread", (node) => script.processApply(node))),
  "deliver-msgs"(script, command) {
    const type = valueOf(command, "type");
    let count = 0;
    for (const to of plainNumbers(command)) count += script.deliver(to, { type, drop: false });
    for (const to of numbersOf(command, "drop")) count += script.deliver(to, { type, drop: true });
    if (count === 0) script.write("no messages\n");
    return null;
  },
  stabilize(script, command) {
    const ids = plainNumbers(command);
    const level = valueOf(command, "log-level");
    const before = level === undefined ? undefined : script.setLevel(level);
    script.stabilize(ids.length > 0 ? ids.map((id) => script.node(id)) : script.nodes);
    if (before !== undefined) script.restoreLevel(before);
    return null;
  },
  "log-level": (script, { args }) => done(script.setLevel(args[0]?.key ?? "")),
  "raft-log": (script, command) => done(script.writeLog(first(script, command))),
  "raft-state"(script) {
    for (const { raw } of script.nodes) {
      const { id, raftState, term, lead, confState } = raw.status();
      const isVoter = confState.voters.includes(id) || confState.votersOutgoing.includes(id);
      script.write(`${id}: ${raftState} (${isVoter ? "Voter" : "Non-Voter"}) Term:${term} Lead:${lead}\n`);
    }
    return null;
  },
  status(script, command) {
    const { progress } = first(script, command).raw.status();
    for (const member of progress) script.write(`${member.id}: ${describeProgress(member)}\n`);
    return null;
  },
  compact(script, command) {
    const [id = 0, index = 0] = plainNumbers(command);
    script.node(id).storage.compact(index);
    return done(script.writeLog(script.node(id)));
  },
  "send-snapshot"(script, command) {
    const [from = 0, to = 0] = plainNumbers(command);
    const { raw, storage } = script.node(from);
    const message = makeMessage({ type: "MsgSnap", from, to, term: raw.status().term, snapshot: storage.snapshot() });
    script.send(message);
    return done(script.write(describeMessage(message)));
  },
  "tick-election": (script, command) => done(first(script, command).tickElection()),
  "tick-heartbeat": (script, command) => done(first(script, command).raw.tick()),
  "forget-leader": (script, command) => done(first(script, command).raw.forgetLeader()),
  "transfer-leadership": (script, command) =>
    done(script.node(Number(valueOf(command, "from"))).raw.transferLeader(Number(valueOf(command, "to")))),
  "report-unreachable"(script, command) {
    const [reporter = 0, id = 0] = plainNumbers(command);
    return done(script.node(reporter).raw.reportUnreachable(id));
  },
  "set-randomized-election-timeout": (script, command) =>
    done(first(script, command).raw.setRandomizedElectionTimeout(Number(valueOf(command, "timeout")))),
};

function addNodes(script: InteractionScript, command: Command): null {
  const isTrue = (key: string): boolean => valueOf(command, key) === "true";
  const inflight = valueOf(command, "inflight");
  const committedSize = valueOf(command, "max-committed-size-per-ready");
  const readOnly = valueOf(command, "read-only");
  const options: Partial<RaftConfig> = {
    asyncStorageWrites: isTrue("async-storage-writes"),
    preVote: isTrue("prevote"),
    checkQuorum: isTrue("checkquorum"),
    disableConfChangeValidation: isTrue("disable-conf-change-validation"),
    stepDownOnRemoval: isTrue("step-down-on-removal"),
    readOnlyOption: readOnly === "lease-based" ? "lease-based" : "safe",
    ...(inflight !== undefined && { maxInflightMsgs: Number(inflight) }),
    ...(committedSize !== undefined && { maxCommittedSizePerReady: Number(committedSize) }),
  };
  const index = Number(valueOf(command, "index") ?? 0);
  const voters = numbersOf(command, "voters");
  const learners = numbersOf(command, "learners");
  const confState = { voters, learners, votersOutgoing: [], learnersNext: [], autoLeave: false };
  const data = Buffer.from(valueOf(command, "content") ?? "");
  const snapshot = index > 0 ? { data, metadata: { index, term: 1, confState } } : undefined;
  for (let added = 0; added < (plainNumbers(command)[0] ?? 0); added++) script.addNode(options, snapshot);
  return null;
}

const TRANSITIONS: ReadonlyMap<string, ConfChangeTransition> = new Map([
  ["auto", "ConfChangeTransitionAuto"],
  ["implicit", "ConfChangeTransitionJointImplicit"],
  ["explicit", "ConfChangeTransitionJointExplicit"],
]);

function proposeConfChange(script: InteractionScript, command: Command): StepRefusal | undefined {
  const { raw } = first(script, command);
  const changes = parseChanges(command.input);
  const [change] = changes;
  if (valueOf(command, "v1") === "true" && change) return raw.proposeConfChange(change);
  const transition = TRANSITIONS.get(valueOf(command, "transition") ?? "auto");
  if (!transition) throw new Error("unknown transition");
  return raw.proposeConfChange({ transition, changes });
}
