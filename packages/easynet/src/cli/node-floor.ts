import { describeError, EasynetError, exitCodeOf } from "../kernel/index.ts";

/** The oldest Node.js that runs easynet: type stripping, node:sqlite and explicit resource management are stable there. */
const FLOOR = { major: 24, minor: 12 };

/** What to tell who runs a Node.js that is too old; undefined when it is new enough. */
export function refusalOfNode(
  found: string,
  language: "en" | "zh",
): { readonly sentence: string; readonly exitCode: number } | undefined {
  const [major = 0, minor = 0] = found.split(".").map(Number);
  if (major > FLOOR.major || (major === FLOOR.major && minor >= FLOOR.minor)) return undefined;
  const needed = `${FLOOR.major}.${FLOOR.minor}`;
  const error = new EasynetError("NODE_VERSION_TOO_OLD", { found, needed });
  return { sentence: describeError(error.toJSON(), language), exitCode: exitCodeOf(error.code) };
}
