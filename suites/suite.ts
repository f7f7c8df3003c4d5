/**
 * A suite checks the product's own functions against public test data that nobody on the project wrote:
 * `npm run suites -- [NAME] [--json]`. The data lies in EASYNET_DATA (default ../shared/data beside the project) and is
 * never committed. The last line of a suite is one JSON object; with --json everything else goes to stderr.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

const PROJECT_ROOT = resolve(import.meta.dirname, "..");
const FAILURES_SHOWN_MAX = 20;

export interface Case {
  readonly name: string;
  /** Cases that are counted together. */
  readonly group?: string;
  /** What is wrong; undefined when the case passed. */
  readonly failure: string | undefined;
}

export interface Suite {
  readonly name: string;
  /** Folder inside the data folder; without it the suite is skipped and says so. */
  readonly folder: string;
  /** Cases that the README of the data names: a loader that finds another number has failed. */
  readonly caseCount: number;
  /** Runs every case. @param folder the suite's own folder */
  run(folder: string): Promise<readonly Case[]>;
}

/** Runs a suite as a program; exit code 1 when a case failed or the number of cases is wrong. */
export async function runSuite(suite: Suite): Promise<void> {
  const { values } = parseArgs({ allowPositionals: true, options: { json: { type: "boolean" } } });
  const tell = values.json ? console.error : console.log;
  const folder = join(process.env["EASYNET_DATA"] ?? join(PROJECT_ROOT, "..", "shared", "data"), suite.folder);
  const { name, caseCount } = suite;
  if (!existsSync(folder)) {
    tell(`${name}: skipped, there is no ${suite.folder}/ in the data folder; EASYNET_DATA names it`);
    report({ name, passed: 0, failed: 0, skipped: caseCount });
    return;
  }
  const cases = await suite.run(folder);
  const failures = cases.flatMap((item) => (item.failure === undefined ? [] : [`${item.name}: ${item.failure}`]));
  const passed = cases.length - failures.length;
  if (cases.length !== caseCount)
    failures.unshift(`the data holds ${cases.length} cases, its README names ${caseCount}`);
  for (const failure of failures.slice(0, FAILURES_SHOWN_MAX)) tell(`${name}: ${failure}`);
  if (failures.length > FAILURES_SHOWN_MAX) tell(`${name}: and ${failures.length - FAILURES_SHOWN_MAX} more failures`);
  for (const [group, members] of Map.groupBy(cases, (item) => item.group)) {
    const groupPassed = members.filter(({ failure }) => failure === undefined).length;
    if (group !== undefined) tell(`${name}: ${group}: ${groupPassed} of ${members.length} passed`);
  }
  tell(`${name}: ${passed} of ${caseCount} passed`);
  report({ name, passed, failed: failures.length, skipped: 0 });
  if (failures.length > 0) process.exitCode = 1;
}

interface Report {
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

function report({ name, passed, failed, skipped }: Report): void {
  const cases = passed + failed;
  const metrics = cases > 0 ? { passedRatio: passed / cases } : {};
  console.log(JSON.stringify({ suite: name, metrics, peers: {}, passed, failed, skipped }));
}
