package cli

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"vpngw/config"
)

// keyTextMax bounds what pubkey reads; a key is 44 characters.
const keyTextMax = 1024

func (a *app) genkeyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "genkey",
		Short: "Print a new private key, as \"wg genkey\" does",
		Long: `Print a new WireGuard private key on standard output.
Nothing is stored, and no running gateway is touched.`,
		Example: `  umask 077; vpngw genkey | tee private.key | vpngw pubkey > public.key`,
		Args:    noArgs,
		RunE: a.verb(func(*cobra.Command, []string) error {
			k, err := config.GeneratePrivateKey(rand.Reader)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.stdout, k.RevealBase64())
			return err
		}),
	}
}

func (a *app) pubkeyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "pubkey",
		Short: "Read a private key, print its public key, as \"wg pubkey\" does",
		Long: `Read a WireGuard private key from standard input and print the public key that
belongs to it. Nothing is stored, and no running gateway is touched.`,
		Example: `  vpngw pubkey < private.key`,
		Args:    noArgs,
		RunE: a.verb(func(*cobra.Command, []string) error {
			text, err := io.ReadAll(io.LimitReader(a.stdin, keyTextMax))
			if err != nil {
				return err
			}
			k, err := config.ParsePrivateKey(strings.TrimSpace(string(text)))
			if err != nil {
				return errors.New("standard input is not a private key: give it one line as \"vpngw genkey\" prints it")
			}
			_, err = fmt.Fprintln(a.stdout, k.Public())
			return err
		}),
	}
}

func (a *app) genpskCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "genpsk",
		Short: "Print a new preshared key, as \"wg genpsk\" does",
		Long: `Print a new WireGuard preshared key on standard output.
Nothing is stored, and no running gateway is touched.`,
		Example: `  umask 077; vpngw genpsk > laptop.psk`,
		Args:    noArgs,
		RunE: a.verb(func(*cobra.Command, []string) error {
			k, err := config.GeneratePresharedKey(rand.Reader)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.stdout, k.RevealBase64())
			return err
		}),
	}
}
