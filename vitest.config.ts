import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

/** The sources of the package, not its build. */
const ssr = { resolve: { conditions: ["easynet-source", "node", "import", "default"] } };

/**
 * Files of a project share the process of their worker: isolation costs ten times more than the tests do, and state that
 * leaks from one file to the next is a bug to find.
 */
const isolate = false;

export default defineConfig({
  ssr,
  test: {
    // Vitest leaves one core to others, which on a small machine is half of it.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: [
      {
        ssr,
        test: {
          name: "unit",
          isolate,
          include: ["packages/easynet/src/**/*.test.ts", "test/*.test.ts"],
          testTimeout: 30_000,
        },
      },
      {
        ssr,
        test: { name: "simulation", isolate, include: ["test/simulation/**/*.sim.test.ts"], testTimeout: 60_000 },
      },
      {
        ssr,
        test: { name: "integration", isolate, include: ["test/integration/**/*.test.ts"], testTimeout: 30_000 },
      },
    ],
  },
});
