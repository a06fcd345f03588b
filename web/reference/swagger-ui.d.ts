declare module 'swagger-ui-dist/swagger-ui-es-bundle.js' {
  /** What a plugin may take part in; the renderer documents it under "Plugin API". */
  export interface Plugin {
    wrapComponents: Record<string, (original: Component, system: { React: React }) => Component>
  }
  export type Props = Record<string, unknown> & { children?: unknown }
  export type Component = (props: Props) => unknown
  export interface React {
    createElement(type: string | Component, props: Record<string, unknown> | null, ...children: unknown[]): unknown
  }
  export default function SwaggerUI(options: Record<string, unknown>): unknown
}
