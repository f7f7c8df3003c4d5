import { EasynetError } from "../../kernel/index.ts";
import type { InviteReport } from "../../node/index.ts";
import type { CliContext } from "../cli-context.ts";
import { formatAge, parseDurationMs } from "../format.ts";
import { LocalClient } from "../local-client.ts";

export interface InviteCommandOptions {
  readonly uses?: string;
  readonly expires?: string;
  readonly list?: boolean;
  readonly revoke?: string;
  readonly memberOnly?: boolean;
  /** Undefined: on a terminal. */
  readonly qr?: boolean;
}

/** Makes a code for another machine; lists and calls back those that were made. */
export async function invite(context: CliContext, options: InviteCommandOptions): Promise<void> {
  const client = LocalClient.open(context.home);
  if (options.list === true) {
    await list(context, client);
  } else if (options.revoke !== undefined) {
    const revoked = await client.post("/api/invites/revoke", { id: options.revoke });
    if (context.json) context.printJson(revoked);
    else context.say(context.text("invite.revoked", { id: options.revoke }));
  } else {
    const made = await client.post("/api/invites", {
      ...(options.uses !== undefined && { uses: Number(options.uses) }),
      ...(options.memberOnly === true && { memberOnly: true }),
      ...(options.expires !== undefined && { expiresMs: expiresMs(context, options.expires) }),
    });
    if (!isInvite(made)) throw new TypeError("the node sent no invitation");
    if (context.json) context.printJson(made);
    else print(context, made);
    await drawCode(context, made.code ?? "", options.qr);
  }
}

/** The command alone on stdout, so that it can be piped or copied whole. */
function print(context: CliContext, made: InviteReport): void {
  const time = formatAge(made.expiresAtMs - Date.now(), context.language);
  context.say(context.text("invite.made", { time, count: made.usesMax, id: made.id }));
  context.print(`easynet join ${made.code ?? ""}`);
}

/** For a camera; beside the data, as all talk. */
async function drawCode(context: CliContext, code: string, wanted: boolean | undefined): Promise<void> {
  const { isTTY = false, columns = Infinity } = context.io.stderr;
  if (!(wanted ?? (isTTY && !context.json))) return;
  const { qrLines } = await import("../qr-code.ts");
  const lines = await qrLines(code);
  const width = lines[0]?.length ?? 0;
  const { bgBlack, whiteBright } = context.colors;
  // Broken lines are no code.
  if (width > columns) context.say(context.text("invite.qrWide", { width }));
  else context.say(lines.map((line) => bgBlack(whiteBright(line))).join("\n"));
}

async function list(context: CliContext, client: LocalClient): Promise<void> {
  const answer = await client.get("/api/invites");
  if (!isList(answer)) throw new TypeError("the node sent no invitations");
  if (context.json) {
    context.printJson(answer);
  } else if (answer.invites.length === 0) {
    context.say(context.text("invite.none"));
  } else {
    const nowMs = Date.now();
    const rows = answer.invites
      .filter(({ revoked }) => !revoked)
      .map(({ id, joined, usesMax, expiresAtMs }) => [
        id,
        `${joined.length}/${usesMax}`,
        formatAge(expiresAtMs - nowMs, context.language),
      ]);
    context.printTable(["column.id", "column.uses", "column.expires"], rows);
  }
}

function expiresMs(context: CliContext, text: string): number {
  const ms = parseDurationMs(text);
  if (ms !== undefined) return Math.round(ms);
  throw new EasynetError("INVALID_ARGUMENT", { subject: "--expires", reason: context.text("usage.notDuration") });
}

function isInvite(value: unknown): value is InviteReport {
  return typeof value === "object" && value !== null && "id" in value && "usesMax" in value;
}

function isList(value: unknown): value is { readonly invites: readonly InviteReport[] } {
  return typeof value === "object" && value !== null && "invites" in value && Array.isArray(value.invites);
}
