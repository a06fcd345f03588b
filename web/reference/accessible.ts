import type { Component, Plugin, React } from 'swagger-ui-dist/swagger-ui-es-bundle.js'

type System = { React: React }

/**
 * The path of an operation stands in the button that opens it, and would be a link there: an interactive thing within
 * another, which no screen reader can tell apart. Opening it sets the address of the page all the same.
 */
const plainPath =
  (_: Component, { React }: System): Component =>
  ({ text }) =>
    React.createElement('span', null, text)

/** Between the title of the page and those of its groups a level would be missing. */
const underHeading =
  (Original: Component, { React }: System): Component =>
  (props) =>
    React.createElement(
      'div',
      null,
      React.createElement('h2', null, 'Operations'),
      React.createElement(Original, props),
    )

/** What is in no landmark is passed over by whoever goes from one to the next. */
const inRegion =
  (Original: Component, { React }: System): Component =>
  (props) =>
    React.createElement('section', { 'aria-label': 'About' }, React.createElement(Original, props))

/** The page sends no requests, so there is nothing to authorise. */
const nothing = (): Component => () => null

/** What the renderer does in a way that assistive technology can't follow, done in another. */
export const accessible: Plugin = {
  wrapComponents: {
    DeepLink: plainPath,
    operations: underHeading,
    InfoContainer: inRegion,
    authorizeBtn: nothing,
    authorizeOperationBtn: nothing,
  },
}

/** Mends what no plugin reaches, in everything that is shown below `root` from now on. */
export function mendMarkup(root: Element): void {
  new MutationObserver(() => {
    // A table is a table; as a region it would be one without a name.
    for (const table of root.querySelectorAll('table[role="region"]')) table.removeAttribute('role')
    for (const select of root.querySelectorAll('select:not([aria-label])')) {
      const parameter = select.closest('tr')?.querySelector('.parameter__name')?.textContent
      select.setAttribute('aria-label', parameter ? `Values of ${parameter}` : 'Media type')
    }
  }).observe(root, { childList: true, subtree: true })
}
