import { defineConfig } from "vitest/config";

const conditions = ["easynet-source", "node", "import", "default"];

export default defineConfig({
  ssr: { resolve: { conditions } },
  test: {
    reporters: process.env["CI"] ? ["default"] : ["default"],
    projects: [
      {
        ssr: { resolve: { conditions } },
        test: { name: "unit", isolate: false, include: ["packages/easynet/src/**/*.test.ts", "test/*.test.ts"] },
      },
      {
        ssr: { resolve: { conditions } },
        test: {
          name: "simulation",
          isolate: false,
          include: ["test/simulation/**/*.sim.test.ts"],
          testTimeout: 60_000,
        },
      },
      {
        ssr: { resolve: { conditions } },
        test: { name: "integration", isolate: false, include: ["test/integration/**/*.test.ts"], testTimeout: 30_000 },
      },
    ],
  },
});
