/** `node --import` of it: `@grpc/…` is found in this folder, as in an app that has installed it. */
import { registerHooks } from 'node:module'

registerHooks({
  resolve(specifier, context, next) {
    const isHere = specifier.startsWith('@grpc/') && !context.parentURL?.includes('node_modules')
    return next(specifier, isHere ? { ...context, parentURL: import.meta.url } : context)
  },
})
