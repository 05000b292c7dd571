# Make a mirror of gems out of those that Debian installed: FOLDER/gems/*.gem and the index that bundler reads.
require "fileutils"
require "rubygems/package"
require "tmpdir"
require "zlib"

# Programs of gems that Debian leaves out.
PROGRAMS = { "bootsnap" => "#!/usr/bin/env ruby\nrequire \"bootsnap/cli\"\nexit Bootsnap::CLI.new(ARGV).run\n" }.freeze

# Copy the files of a gem to where a .gem has them: Debian has them in the gem's folder, or spread over Ruby's.
def lay_out(spec, folder)
  if Dir.exist?(spec.gem_dir)
    FileUtils.cp_r("#{spec.gem_dir}/.", folder)
    if Dir.exist?(spec.extension_dir)
      FileUtils.mkdir_p("#{folder}/lib")
      FileUtils.cp_r("#{spec.extension_dir}/.", "#{folder}/lib")
    end
  else
    package = `dpkg -S #{spec.loaded_from}`[/\A[^:,]+/]
    `dpkg -L #{package}`.lines(chomp: true).each do |path|
      inside = path[%r{/ruby/vendor_ruby/(?:\d+\.\d+\.\d+/)?(.+)}, 1]
      next unless inside && File.file?(path)

      FileUtils.mkdir_p(File.dirname("#{folder}/lib/#{inside}"))
      FileUtils.cp(path, "#{folder}/lib/#{inside}")
    end
  end
  spec.executables.each do |name|
    path = "#{folder}/#{spec.bindir}/#{name}"
    next if File.exist?(path)

    FileUtils.mkdir_p(File.dirname(path))
    PROGRAMS.key?(name) ? File.write(path, PROGRAMS[name]) : FileUtils.cp("/usr/bin/#{name}", path)
  end
end

mirror = ARGV.fetch(0)
FileUtils.mkdir_p(["#{mirror}/gems", "#{mirror}/quick/Marshal.4.8"])
index = []
Gem::Specification.reject(&:default_gem?).each do |installed|
  spec = installed.dup
  has_program = ->(name) { PROGRAMS.key?(name) || [spec.bin_file(name), "/usr/bin/#{name}"].any? { |path| File.exist?(path) } }
  spec.executables = spec.executables.select(&has_program)
  Dir.mktmpdir do |folder|
    lay_out(spec, folder)
    Dir.chdir(folder) do
      spec.files = Dir.glob("**/*", File::FNM_DOTMATCH).select { |path| File.file?(path) }
      spec.extensions = spec.test_files = spec.extra_rdoc_files = []
      spec.platform = Gem::Platform.local if spec.files.any? { |path| path.end_with?(".so") }
      Gem::Package.build(spec, true)
      FileUtils.mv(spec.file_name, "#{mirror}/gems")
    end
  end
  index << [spec.name, spec.version, spec.platform.to_s]
  File.binwrite("#{mirror}/quick/Marshal.4.8/#{spec.full_name}.gemspec.rz", Zlib::Deflate.deflate(Marshal.dump(spec)))
end
{ "specs" => index, "latest_specs" => index, "prerelease_specs" => [] }.each do |name, entries|
  Zlib::GzipWriter.open("#{mirror}/#{name}.4.8.gz") { |file| file.write(Marshal.dump(entries)) }
end
puts "#{index.length} gems"
