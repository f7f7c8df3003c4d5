import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

/**
 * Node itself loads the sources, as it does for users of a clone: types stripped and nothing else. That takes a third
 * less time than Vite's loader, which would rewrite every module.
 */
const asNodeLoadsThem = {
  execArgv: ["--conditions=easynet-source"],
  experimental: { viteModuleRunner: false, nodeLoader: false },
};

/**
 * Files of a project share the process of their worker: isolation costs ten times more than the tests do, and state that
 * leaks from one file to the next is a bug to find.
 */
const shared = { ...asNodeLoadsThem, isolate: false };

export default defineConfig({
  test: {
    // Vitest leaves one core to others, which on a small machine is half of it.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: [
      {
        test: {
          ...shared,
          name: "unit",
          include: ["packages/easynet/src/**/*.test.ts", "test/*.test.ts"],
          testTimeout: 30_000,
        },
      },
      { test: { ...shared, name: "simulation", include: ["test/simulation/**/*.sim.test.ts"], testTimeout: 60_000 } },
      { test: { ...shared, name: "integration", include: ["test/integration/**/*.test.ts"], testTimeout: 60_000 } },
    ],
  },
});
