/* One small script per page; what they share (MapLibre above all) falls into chunks of its own. pages.py reads the manifest. */
import { defineConfig } from "vite";

export default defineConfig({
  base: "/static/dist/",
  build: {
    license: { fileName: "licenses.md" }, // of what is bundled: most ask to be named wherever they go
    outDir: "../static/dist",
    emptyOutDir: true,
    manifest: "manifest.json",
    target: "es2023",
    assetsInlineLimit: 0, // a data: address would need a hole in the content security policy
    chunkSizeWarningLimit: 1200, // MapLibre
    rolldownOptions: {
      input: {
        live: "src/live.ts",
        history: "src/history.ts",
        zones: "src/zones.ts",
        alerts: "src/alerts.ts",
        rules: "src/rules.ts",
        commands: "src/commands.ts",
        billing: "src/billing.ts",
        trackers: "src/trackers.ts",
        listen: "src/listen.ts",
        operator: "src/operator.ts",
        plain: "src/plain.ts",
      },
    },
  },
});
