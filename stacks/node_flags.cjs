// Loaded into the Node that runs the CDK's library. Its check of templates is WebAssembly, which
// runs once: V8 would spend a fifth of a synthesis on optimising it. This many bytes of code are
// executed before V8 does: https://v8.dev/blog/wasm-dynamic-tiering
require("v8").setFlagsFromString("--wasm-tiering-budget=1000000000");
