/** The package is built without grpc-js: `version.ts` checks what it gets. */
declare module '@grpc/grpc-js' {
  const grpc: unknown
  export default grpc
}
