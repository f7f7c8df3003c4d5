import { existsSync, readFileSync } from "node:fs";
import { EasynetError } from "../../kernel/index.ts";
import type { CliContext } from "../cli-context.ts";
import { printable } from "../columns.ts";
import { formatAge, formatBytes, formatMs } from "../format.ts";
import { LocalClient } from "../local-client.ts";

type MessageAction = "outbox" | "dead-letters" | "kinds" | "answer" | "requeue" | "drop" | "prove" | "verify";

interface Waiting {
  readonly peer: string;
  readonly peerName: string;
  readonly priority: string;
  readonly queued: number;
  readonly bytes: number;
  readonly oldestAtMs: number;
  readonly handed?: number;
  readonly holderName?: string;
}

interface Held {
  readonly senderName: string;
  readonly recipientName: string;
  readonly batches: number;
  readonly bytes: number;
}

interface State {
  readonly counts: Readonly<Record<string, number>>;
  readonly outbox: readonly Waiting[];
  readonly held: readonly Held[];
}

interface DeadLetter {
  readonly key: string;
  readonly direction: "in" | "out";
  readonly peerName: string;
  readonly kind: string;
  readonly reason: string;
  readonly lastError: string;
  readonly diedAtMs: number;
}

interface Kind {
  readonly name: string;
  readonly durability: string;
  readonly priority: string;
  readonly expiresInMs: number;
  readonly answer: string;
}

/** Messages of this node: what waits, what failed, and what to do with that. */
export async function messages(
  context: CliContext,
  action: MessageAction | undefined,
  id: string | undefined,
): Promise<void> {
  if (action === "verify") return verify(context, required(context, id));
  const client = LocalClient.open(context.home);
  switch (action) {
    case undefined:
    case "outbox":
      return showState(context, await client.get("/api/messages"), action === undefined);
    case "dead-letters":
      return showDeadLetters(context, await client.get("/api/messages/dead-letters?limit=1000"));
    case "kinds":
      return showKinds(context, await client.get("/api/messages/kinds"));
    case "answer": {
      const path = `/api/messages/answer?id=${encodeURIComponent(required(context, id))}`;
      return context.print(JSON.stringify(await client.get(path)));
    }
    case "prove": {
      const answer = await client.get(`/api/messages/proof?id=${encodeURIComponent(required(context, id))}`);
      if (!isProof(answer)) throw new TypeError("the node sent no proof");
      return context.json ? context.printJson(answer) : context.print(answer.proof);
    }
    case "requeue":
    case "drop": {
      const key = required(context, id);
      await client.post(`/api/messages/dead-letters/${action}`, { key });
      if (context.json) context.printJson({ key });
      else context.say(context.text(action === "requeue" ? "messages.requeued" : "messages.dropped", { key }));
    }
  }
}

/** Needs no node: a proof stands for itself. @param proof as `prove` prints it, or a file with that */
async function verify(context: CliContext, proof: string): Promise<void> {
  const { verifyProof } = await import("../../messaging/index.ts");
  const { stringifyJson } = await import("../../node/index.ts");
  const text = existsSync(proof) ? readFileSync(proof, "utf8") : proof;
  const { sentAtMs, ...proven } = verifyProof(Buffer.from(text.trim(), "base64"));
  const shown = { ...proven, sentAt: new Date(sentAtMs).toISOString() };
  if (context.json) return context.print(stringifyJson(shown));
  const { sender, recipient, id, kind, sentAt, from, to, payload } = shown;
  const [by, whom] = [
    from === undefined ? sender : `${sender} (${from})`,
    to === undefined ? recipient : `${recipient} (${to})`,
  ];
  const values = { sender: printable(by), recipient: printable(whom), id, kind: printable(kind), sentAt };
  context.say(context.text("messages.proven", values));
  context.print(stringifyJson(payload));
}

function showState(context: CliContext, state: unknown, withCounts: boolean): void {
  if (!isState(state)) throw new TypeError("the node sent no messages");
  if (context.json) return context.printJson(state);
  if (withCounts) {
    const counts = Object.entries(state.counts).map(([name, count]) => `${name} ${count}`);
    context.print(counts.join(" · "));
  }
  showOutbox(context, state.outbox);
  if (state.held.length === 0) return;
  context.say(context.text("messages.held"));
  const rows = state.held.map(({ senderName, recipientName, batches, bytes }) => [
    printable(senderName),
    printable(recipientName),
    String(batches),
    formatBytes(bytes),
  ]);
  context.printTable(["column.sender", "column.recipient", "column.waiting", "column.size"], rows);
}

function showOutbox(context: CliContext, outbox: readonly Waiting[]): void {
  if (outbox.length === 0) return context.say(context.text("messages.nothingWaits"));
  const nowMs = Date.now();
  const rows = outbox.map(({ peerName, priority, queued, bytes, oldestAtMs, handed = 0, holderName = "" }) => [
    printable(peerName),
    priority,
    String(queued),
    formatBytes(bytes),
    formatAge(nowMs - oldestAtMs, context.language),
    handed > 0 ? context.text("messages.handed", { holder: printable(holderName), count: String(handed) }) : "",
  ]);
  context.printTable(
    ["column.name", "column.priority", "column.waiting", "column.size", "column.oldest", "column.handed"],
    rows,
  );
}

function showDeadLetters(context: CliContext, answer: unknown): void {
  if (!hasList(answer, "deadLetters")) throw new TypeError("the node sent no dead letters");
  if (context.json) return context.printJson(answer);
  if (answer.deadLetters.length === 0) return context.say(context.text("messages.noDeadLetters"));
  const nowMs = Date.now();
  const rows = answer.deadLetters
    .filter(isDeadLetter)
    .map((letter) => [
      printable(letter.key),
      `${context.text(letter.direction === "in" ? "messages.from" : "messages.to")} ${printable(letter.peerName)}`,
      printable(letter.kind),
      printable(letter.lastError === "" ? letter.reason : letter.lastError),
      formatAge(nowMs - letter.diedAtMs, context.language),
    ]);
  context.printTable(["column.id", "column.peer", "column.kind", "column.reason", "column.since"], rows);
}

function showKinds(context: CliContext, answer: unknown): void {
  if (!hasList(answer, "kinds")) throw new TypeError("the node sent no kinds");
  if (context.json) return context.printJson(answer);
  const rows = answer.kinds
    .filter(isKind)
    .map(({ name, durability, priority, expiresInMs, answer: kind }) => [
      name,
      durability,
      priority,
      formatMs(expiresInMs),
      kind,
    ]);
  context.printTable(["column.kind", "column.durability", "column.priority", "column.expires", "column.answer"], rows);
}

/** @throws {EasynetError} INVALID_ARGUMENT */
function required(context: CliContext, id: string | undefined): string {
  if (id !== undefined) return id;
  throw new EasynetError("INVALID_ARGUMENT", { subject: "easynet messages", reason: context.text("messages.needsId") });
}

function isProof(value: unknown): value is { readonly id: string; readonly proof: string } {
  return typeof value === "object" && value !== null && "proof" in value && typeof value.proof === "string";
}

function isState(value: unknown): value is State {
  return typeof value === "object" && value !== null && "counts" in value && "outbox" in value && "held" in value;
}

function hasList<Name extends string>(value: unknown, name: Name): value is Readonly<Record<Name, readonly unknown[]>> {
  return typeof value === "object" && value !== null && Array.isArray(new Map(Object.entries(value)).get(name));
}

function isDeadLetter(value: unknown): value is DeadLetter {
  return typeof value === "object" && value !== null && "key" in value && "lastError" in value;
}

function isKind(value: unknown): value is Kind {
  return typeof value === "object" && value !== null && "name" in value && "durability" in value;
}
