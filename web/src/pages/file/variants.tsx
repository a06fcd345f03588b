import type { UploadDetail } from '../../api.ts'
import { formatBytes } from '../../parts/sizes.ts'

/** What the steps have made of the file. */
export function Variants({ upload: { variants } }: { upload: UploadDetail }) {
  if (variants.length === 0) return null
  return (
    <section class="panel" aria-labelledby="variants">
      <div class="panel-head">
        <h2 id="variants">Variants</h2>
      </div>
      <table class="table cards">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Type</th>
            <th scope="col">Pixels</th>
            <th scope="col" class="end">
              Size
            </th>
          </tr>
        </thead>
        <tbody>
          {variants.map(({ name, type, width, height, size }) => (
            <tr key={name}>
              <td data-label="Name">{name}</td>
              <td data-label="Type" class="soft">
                {type}
              </td>
              <td data-label="Pixels" class="numeric">
                {width === null ? '–' : `${width} × ${height}`}
              </td>
              <td data-label="Size" class="end numeric">
                {formatBytes(size)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}
