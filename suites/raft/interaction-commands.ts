import { describeProgress } from "../../packages/easynet/src/state/raft/describe.ts";
import { makeMessage } from "../../packages/easynet/src/state/raft/messages.ts";
import type { ConfChangeTransition, RaftConfig, StepRefusal } from "../../packages/easynet/src/state/raft/types.ts";
import { parseChanges } from "./changes.ts";
import { describeMessage } from "./describe.ts";
import type { InteractionScript } from "./interaction.ts";
import type { ScriptNode } from "./interaction-node.ts";
import { type Command, numbersOf, plainNumbers, valueOf } from "./script.ts";

/** Runs the next command of a file. */
export function runInteraction(script: InteractionScript, command: Command): string {
  const handler = HANDLERS[command.name];
  if (!handler) throw new Error(`unknown command ${command.name}`);
  return script.outputOf(() => handler(script, command) ?? undefined);
}

/** Runs one command; a refusal is written behind the output. */
type Handler = (script: InteractionScript, command: Command) => StepRefusal | undefined | void;

const first = (script: InteractionScript, command: Command): ScriptNode => script.node(plainNumbers(command)[0] ?? 0);

const HANDLERS: Readonly<Record<string, Handler>> = {
  "add-nodes": addNodes,
  campaign: (script, command) => first(script, command).raw.campaign(),
  propose(script, command) {
    const [, data] = command.args;
    return first(script, command).raw.propose(Buffer.from(data?.key ?? ""));
  },
  "propose-conf-change": proposeConfChange,
  "process-ready": (script, command) =>
    script.each(plainNumbers(command), "handling Ready", (node) => script.processReady(node)),
  "process-append-thread": (script, command) =>
    script.each(plainNumbers(command), "processing append thread", (node) => script.processAppend(node)),
  "process-apply-thread": (script, command) =>
    script.each(plainNumbers(command), "processing apply thread", (node) => script.processApply(node)),
  "deliver-msgs"(script, command) {
    const type = valueOf(command, "type");
    let count = 0;
    for (const to of plainNumbers(command)) count += script.deliver(to, { type, drop: false });
    for (const to of numbersOf(command, "drop")) count += script.deliver(to, { type, drop: true });
    if (count === 0) script.write("no messages\n");
  },
  stabilize(script, command) {
    const ids = plainNumbers(command);
    const level = valueOf(command, "log-level");
    const before = level === undefined ? undefined : script.setLevel(level);
    script.stabilize(ids.length > 0 ? ids.map((id) => script.node(id)) : script.nodes);
    if (before !== undefined) script.restoreLevel(before);
  },
  "log-level"(script, { args }) {
    script.setLevel(args[0]?.key ?? "");
  },
  "raft-log": (script, command) => script.writeLog(first(script, command)),
  "raft-state"(script) {
    for (const { raw } of script.nodes) {
      const { id, raftState, term, lead, confState } = raw.status();
      const isVoter = confState.voters.includes(id) || confState.votersOutgoing.includes(id);
      script.write(`${id}: ${raftState} (${isVoter ? "Voter" : "Non-Voter"}) Term:${term} Lead:${lead}\n`);
    }
  },
  status(script, command) {
    const { progress } = first(script, command).raw.status();
    for (const member of progress) script.write(`${member.id}: ${describeProgress(member)}\n`);
  },
  compact(script, command) {
    const [id = 0, index = 0] = plainNumbers(command);
    script.node(id).storage.compact(index);
    script.writeLog(script.node(id));
  },
  "send-snapshot"(script, command) {
    const [from = 0, to = 0] = plainNumbers(command);
    const { raw, storage } = script.node(from);
    const message = makeMessage({ type: "MsgSnap", from, to, term: raw.status().term, snapshot: storage.snapshot() });
    script.send(message);
    script.write(describeMessage(message));
  },
  "tick-election": (script, command) => first(script, command).tickElection(),
  "tick-heartbeat": (script, command) => first(script, command).raw.tick(),
  "forget-leader": (script, command) => first(script, command).raw.forgetLeader(),
  "transfer-leadership": (script, command) =>
    script.node(Number(valueOf(command, "from"))).raw.transferLeader(Number(valueOf(command, "to"))),
  "report-unreachable"(script, command) {
    const [reporter = 0, id = 0] = plainNumbers(command);
    script.node(reporter).raw.reportUnreachable(id);
  },
  "set-randomized-election-timeout": (script, command) =>
    first(script, command).raw.setRandomizedElectionTimeout(Number(valueOf(command, "timeout"))),
};

function addNodes(script: InteractionScript, command: Command): void {
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
