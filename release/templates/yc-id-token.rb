class YcIdToken < Formula
  desc "Credential helper for Yandex Cloud ID tokens"
  homepage "{{repository}}"
  version "{{version}}"
  license "Apache-2.0"

  on_macos do
    on_arm do
      url "{{release}}/yc-id-token-{{version}}-aarch64-apple-darwin.tar.gz"
      sha256 "{{sha256 yc-id-token-{{version}}-aarch64-apple-darwin.tar.gz}}"
    end
    on_intel do
      url "{{release}}/yc-id-token-{{version}}-x86_64-apple-darwin.tar.gz"
      sha256 "{{sha256 yc-id-token-{{version}}-x86_64-apple-darwin.tar.gz}}"
    end
  end

  on_linux do
    on_arm do
      url "{{release}}/yc-id-token-{{version}}-aarch64-unknown-linux-musl.tar.gz"
      sha256 "{{sha256 yc-id-token-{{version}}-aarch64-unknown-linux-musl.tar.gz}}"
    end
    on_intel do
      url "{{release}}/yc-id-token-{{version}}-x86_64-unknown-linux-musl.tar.gz"
      sha256 "{{sha256 yc-id-token-{{version}}-x86_64-unknown-linux-musl.tar.gz}}"
    end
  end

  def install
    bin.install "yc-id-token"
    bash_completion.install "completions/yc-id-token.bash" => "yc-id-token"
    fish_completion.install "completions/yc-id-token.fish"
    zsh_completion.install "completions/_yc-id-token"
    man1.install Dir["man/*.1"]
  end

  test do
    assert_equal "yc-id-token #{version}", shell_output("#{bin}/yc-id-token --version").strip
  end
end
