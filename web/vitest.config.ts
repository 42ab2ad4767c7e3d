import { defineConfig } from "vitest/config";

// Browser tests share one `segue dev`; they run one file after the other, as they share its data.
export default defineConfig({
  test: {
    globalSetup: "test/segue.ts",
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    fileParallelism: false,
    testTimeout: 90_000,
    hookTimeout: 90_000,
  },
});
