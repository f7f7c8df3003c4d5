import { defineConfig } from "vitest/config";

/**
 * Tests of the built product: `npm run e2e` builds it first. Files run one after another:
 * each starts several node processes, and measured times should not disturb one another.
 */
export default defineConfig({
  test: {
    name: "e2e",
    include: ["test/e2e/**/*.e2e.ts"],
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    passWithNoTests: false,
  },
});
