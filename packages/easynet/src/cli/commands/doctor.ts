import { type EasynetError, isEasynetError, systemClock, toEasynetError } from "../../kernel/index.ts";
import type * as nodeModule from "../../node/index.ts";
import type { Finding } from "../../node/index.ts";
import type { CliContext } from "../cli-context.ts";
import { columns, printable } from "../columns.ts";
import { LocalClient } from "../local-client.ts";

const MARKS = { ok: "✓", warning: "!", failed: "✗" } as const;

/** Says what works and what does not, with and without a running node; exit code 1 when something failed. */
export async function doctor(context: CliContext): Promise<void> {
  // Loaded only here: it knows configuration, sockets and memberships.
  const node = await import("../../node/index.ts");
  const loaded = node.loadConfig({ env: context.io.env, flags: { home: context.homeFlag } });
  const asked = await askNode(context, node);
  const nodeRuns = asked.some(({ fact }) => fact !== "node-stopped");
  const machine = await node.examineMachine({ loaded, clock: systemClock, nodeRuns });
  // The node listens all the time, this command for a few seconds: who the node heard, it need not hear again.
  const nodeHears = asked.some(({ fact, values }) => fact.startsWith("heard-") && Number(values["heard"]) > 0);
  const own = machine.filter(({ fact }) => !nodeHears || fact !== "multicast-alone");
  const findings = [...own, ...asked].map((found) => ({
    ...found,
    ...node.describeFinding(found, context.language),
  }));
  const failed = findings.some(({ state }) => state === "failed");
  if (context.json) context.printJson({ ok: !failed, findings });
  else context.print(columns(findings.flatMap((found) => rows(context, found))));
  context.exitCode = failed ? 1 : 0;
}

type NodeModule = typeof nodeModule;

async function askNode(context: CliContext, node: NodeModule): Promise<readonly Finding[]> {
  try {
    const answer = await LocalClient.open(context.home).get("/api/doctor");
    if (typeof answer !== "object" || answer === null || !("findings" in answer) || !Array.isArray(answer.findings)) {
      throw new TypeError("it sent no findings");
    }
    const findings: readonly Finding[] = answer.findings.flatMap((found) => readFinding(found, node) ?? []);
    const url = node.readRunFile(context.home)?.apiUrl ?? "";
    return [node.finding("api-answers", { url }), ...findings];
  } catch (thrown) {
    return [whyNoAnswer(context, node, toEasynetError(thrown))];
  }
}

function whyNoAnswer(context: CliContext, node: NodeModule, error: EasynetError): Finding {
  const run = node.readRunFile(context.home);
  // What a killed node left behind is no running one.
  if (!run) return node.finding("node-stopped");
  const values = { url: run.apiUrl, pid: run.pid, home: context.home };
  // Its process lives, or another one got its number.
  if (isEasynetError(error, "NODE_NOT_RUNNING")) return node.finding("api-refused", values);
  // INTERNAL: what answered does not speak as a node does.
  if (error.code === "TOKEN_INVALID" || error.code === "INTERNAL") return node.finding("api-foreign", values);
  return node.finding("node-silent", { reason: error.message });
}

/** Facts of a newer node than this command are left out. */
function readFinding(value: unknown, node: NodeModule): Finding | undefined {
  if (typeof value !== "object" || value === null || !("fact" in value) || !("values" in value)) return undefined;
  const { fact, values } = value;
  if (typeof fact !== "string" || !node.isDoctorFact(fact) || typeof values !== "object" || values === null) {
    return undefined;
  }
  const texts = Object.entries(values).map(([key, text]) => [key, typeof text === "number" ? text : String(text)]);
  return node.finding(fact, Object.fromEntries(texts));
}

type Described = Finding & { readonly observed: string; readonly mend: string | undefined };

function rows(context: CliContext, { check, state, observed, mend }: Described): string[][] {
  const { green, red, yellow } = context.colors;
  const color = { ok: green, warning: yellow, failed: red }[state];
  const line = [`${color(MARKS[state])} ${context.text(`doctor.check.${check}`)}`, printable(observed)];
  if (mend === undefined || state === "ok") return [line];
  return [line, ["", `${context.text("doctor.mend")} ${printable(mend)}`]];
}
