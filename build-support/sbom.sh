# Sourced by ./pants sbom, and by ./pants release: what is in our images, as CycloneDX.
#   ./pants sbom                                   one file an image, dist/sbom/IMAGE.cdx.json
#   ./pants sbom services/dashboard/docker:dashboard …   of some
# The list is that of the PEX that the image's layer of dependencies is made of, so what is in the lock and not in
# the image is not in it. The base image's packages are its maker's to list.
sbom_of() {
  local image=$1 deps pex folder
  deps=$(pants dependencies "$image" | grep -E ':([a-z]+-)?deps$')
  pants package "$deps" >/dev/null
  folder=${deps%%:*}
  pex=$root/dist/${folder//\//.}/${deps##*:}.pex
  mkdir -p "$root/dist/sbom"
  "$(find_python 3.11)" "$root/build-support/pex_contents.py" "$pex" >"$root/dist/sbom/contents.txt"
  tool cyclonedx-py requirements --output-format JSON --output-reproducible --mc-type application \
    --output-file "$root/dist/sbom/${image##*:}.cdx.json" "$root/dist/sbom/contents.txt"
  rm "$root/dist/sbom/contents.txt"
  say "wrote dist/sbom/${image##*:}.cdx.json"
}
