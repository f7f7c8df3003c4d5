import { EasynetError } from "../../kernel/index.ts";
import type { SentReport } from "../../node/index.ts";
import type { CliContext } from "../cli-context.ts";
import { printable, printableText } from "../columns.ts";
import { parseDurationMs, shortDid } from "../format.ts";
import { LocalClient } from "../local-client.ts";
import { parseArgument } from "./call-arguments.ts";

export interface SendOptions {
  readonly to: string;
  readonly kind: string;
  /** As typed: JSON, text, or `@FILE`. */
  readonly payload?: string | undefined;
  readonly wait?: string;
  readonly durability?: string;
  readonly priority?: string;
  readonly timeout?: string;
  readonly id?: string;
  readonly signed?: boolean;
}

const TIMEOUT_MS = 30_000;
/** The node tells of a message that is too late by itself; this only ends a node that hangs. */
const PATIENCE_MS = 5_000;

/** Sends a message; prints what its handler answered, or what became of it. */
export async function send(context: CliContext, options: SendOptions): Promise<void> {
  const { to, kind, payload, id, wait, durability, priority, signed } = options;
  const client = LocalClient.open(context.home);
  const timeoutMs = options.timeout === undefined ? undefined : timeoutMsOf(options.timeout, context);
  const message = {
    to,
    kind,
    ...(payload !== undefined && { payload: parseArgument(payload, context) }),
    ...(id !== undefined && { id }),
    ...(wait !== undefined && { wait }),
    ...(durability !== undefined && { durability }),
    ...(priority !== undefined && { priority }),
    ...(signed === true && { signed }),
    ...(timeoutMs !== undefined && { timeoutMs }),
  };
  const report = await client.post("/api/messages", message, { timeoutMs: (timeoutMs ?? TIMEOUT_MS) + PATIENCE_MS });
  if (!isReport(report)) throw new TypeError("the node sent no report");
  if (context.json) return context.printJson(report);
  if (report.state === "answered") context.print(textOf(report.answer));
  else context.say(context.text(STATES[report.state], { id: report.id, node: shortDid(report.node) }));
}

const STATES = { stored: "send.stored", acknowledged: "send.acknowledged" } as const;

function textOf(answer: unknown): string {
  return typeof answer === "string" ? printableText(answer) : printable(JSON.stringify(answer) ?? "");
}

/** @throws {EasynetError} INVALID_ARGUMENT */
function timeoutMsOf(text: string, context: CliContext): number {
  const timeoutMs = parseDurationMs(text);
  if (timeoutMs !== undefined && timeoutMs >= 1) return timeoutMs;
  throw new EasynetError("INVALID_ARGUMENT", { subject: "--timeout", reason: context.text("usage.notDuration") });
}

function isReport(value: unknown): value is SentReport {
  return typeof value === "object" && value !== null && "state" in value && "id" in value;
}
