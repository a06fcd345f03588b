/** A WebAssembly module that is part of the bundle: a Worker compiles none while it runs. */
declare module '*.wasm' {
  const module: WebAssembly.Module
  export default module
}
